#include "evidence/system/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "evidence/system/descriptor.h"

namespace impound {

namespace {

constexpr std::uint64_t truncate_files = 1u << 14;  // LANDLOCK_ACCESS_FS_TRUNCATE, ABI 3

constexpr std::uint64_t read_file = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t read_beneath = read_file | LANDLOCK_ACCESS_FS_READ_DIR;
// No symbolic links, sockets, fifos, devices; nothing to execute; no move or link from one folder into another.
constexpr std::uint64_t write_beneath = read_beneath | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                        LANDLOCK_ACCESS_FS_REMOVE_DIR | truncate_files;

/// struct landlock_ruleset_attr of ABI 6; older kernels take its beginning only (E2BIG otherwise).
struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t tcp = 0;     // ABI 4: 1 bind, 2 connect. By port, not by address
  std::uint64_t scoped = 0;  // ABI 6: 1 abstract AF_UNIX sockets, 2 signals: none to the outside
};

constexpr std::size_t size_for(int abi) { return abi >= 6 ? 24 : abi >= 4 ? 16 : 8; }

constexpr std::uint64_t file_rights_of(int abi) {
  if (abi >= 5) return 0xffff;
  if (abi >= 3) return 0x7fff;
  return abi == 2 ? 0x3fff : 0x1fff;
}

Result<void> allow_beneath(int ruleset, int place, std::uint64_t access, std::string const& name) {
  landlock_path_beneath_attr rule{access, place};
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return from_errno(errno, "cannot name a place for Landlock", name);
  }
  return ok();
}

Result<void> allow_reading(int ruleset, std::string const& path) {
  Descriptor const place{::open(path.c_str(), O_PATH | O_CLOEXEC)};
  if (!place) return ok();  // an absent /etc/gai.conf is no error
  struct stat facts {};
  if (::fstat(place.number(), &facts) != 0) return from_errno(errno, "cannot look at", path);
  // A folder's right in a rule for a file is EINVAL.
  return allow_beneath(ruleset, place.number(), S_ISDIR(facts.st_mode) ? read_beneath : read_file, path);
}

}  // namespace

int landlock_abi() {
  long const version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version < 0 ? 0 : static_cast<int>(version);
}

Result<void> enter_landlock(SandboxRights const& rights, int abi) {
  RulesetAttributes attributes;
  attributes.files = file_rights_of(abi);
  if (abi >= 4 && !rights.network) attributes.tcp = 3;
  if (abi >= 6) attributes.scoped = 3;
  Descriptor const ruleset{static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size_for(abi), 0))};
  if (!ruleset) return from_errno(errno, "cannot make a Landlock ruleset", "ABI " + std::to_string(abi));
  for (auto const& folder : rights.folders) {
    std::uint64_t const access = (folder.writable ? write_beneath : read_beneath) & attributes.files;
    IMPOUND_CHECK(allow_beneath(ruleset.number(), folder.descriptor, access, {}));
  }
  for (auto const& path : rights.readable) IMPOUND_CHECK(allow_reading(ruleset.number(), path));
  if (::syscall(SYS_landlock_restrict_self, ruleset.number(), 0) != 0) {
    return from_errno(errno, "cannot enter Landlock", "ABI " + std::to_string(abi));
  }
  return ok();
}

}  // namespace impound
