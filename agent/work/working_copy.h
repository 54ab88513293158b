// A working copy: exhibits written out under their original names, for tools that must never come near the vault.
//
// Names come from strangers. Each part of a path is made safe (safe_names), the copy lies in one folder that was empty
// before, every part is opened relative to the one above it without following links, and every file must be new: no
// name leads out of the folder or onto anything that is there. Files are 0444, folders 0755, whatever the umask. What
// was copied is hashed again in its new place. Unless keep() is called, everything that was made is removed again, and
// nothing else; a killed process leaves what it had copied so far.
//
// Names that are equal but for ASCII case count as a clash, so that the copy can be carried to file systems that do not
// tell them apart. Gap: what such a file system folds beyond ASCII ends the copy with Code::exists.
// One thread; errors: Code::damaged (the bytes are not those of the exhibit), cancelled, and what the disk says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/formats/canonical_json.h"
#include "evidence/open_file_hash.h"
#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::agent {

/// Beside the copies, when one of them is not called what it was called: name, original bytes in hex, SHA-256.
inline constexpr std::string_view names_file = "names.tsv";

inline constexpr std::size_t copy_block_bytes = 1 << 20;

/// True when the work is to stop (Ctrl-C): asked between two blocks.
using Stop = std::function<bool()>;

/// A part of a path that every system takes for a plain name, at most 240 bytes:
///   control characters, those that turn the direction of writing and '/'  →  _
///   bytes that are no UTF-8                                               →  \xNN
///   a dot or a space at its start or end                                  →  _
///   a name that Windows keeps for a device (CON, nul.txt, COM1)           →  _ in front
///   too long                                                              →  cut in front of its extension
std::string safe_name(std::string_view part);

/// Safe paths for these paths of any bytes ('/' between the parts), in their order and all different: a clash gets
/// " (2)". Folders that differ stay apart; `names.tsv` is taken.
std::vector<std::string> safe_names(std::span<std::string const> originals);

/// All bytes of `from` as they are now into the empty `to`: the file system's own copy of the extents (FICLONE), else
/// inside the kernel, else through `block`; at most `size` bytes by the last two. Whether it is the right bytes is for
/// a digest to say. Both are files of a LinuxDisk.
Result<void> copy_bytes(DiskFile& from, DiskFile& to, std::uint64_t size, std::vector<std::byte>& block,
                        Stop const& stop);

/// One exhibit to copy.
struct ToCopy {
  std::string name;      // its path, any bytes
  bool original = true;  // false: it came without a name, `name` is ours
  Sha256 sha256{};
  std::uint64_t size = 0;
};

/// The place for a copy as one absolute path. Code::usage when it is there and not an empty folder, or when the folder
/// above it is not there.
Result<std::string> place_for_copy(std::string path);

/// Whether `path` is the folder or lies beneath it, links resolved; the last part of `path` need not be there.
bool is_beneath(std::string const& path, std::string const& folder);

/// A path as entries carry it: `key` has its text, and `key`_hex its bytes when the text does not tell all of them.
void add_path(Json& body, std::string const& key, std::string const& path);

class WorkingCopy {
 public:
  /// Makes the folder, or takes the empty one that is there. `path` as place_for_copy gave it.
  static Result<WorkingCopy> begin(std::string const& path);
  WorkingCopy(WorkingCopy&&) = default;
  WorkingCopy& operator=(WorkingCopy&&) = delete;
  ~WorkingCopy();

  /// Copies the objects of `vault`, then what names.tsv has to say; all of it durable when it returns. `copied` is
  /// called after each file with the bytes so far.
  Result<void> copy(LinuxDisk& vault, std::span<ToCopy const> files, Stop const& stop,
                    std::function<void(std::size_t files, std::uint64_t bytes)> const& copied);
  /// The copy stays.
  void keep() { kept_ = true; }

 private:
  WorkingCopy() = default;
  Result<void> make_folder(std::string const& path);
  Result<DiskFile> create(std::string const& path);
  Result<void> copy_one(LinuxDisk& vault, ToCopy const& file, std::string const& path, Stop const& stop);
  Result<void> write_names(std::span<ToCopy const> files, std::span<std::string const> names);
  void remove();

  std::string path_;
  std::unique_ptr<LinuxDisk> above_;  // the folder that ours lies in
  std::unique_ptr<LinuxDisk> root_;
  bool made_root_ = false;
  bool kept_ = false;
  std::set<std::string> made_;        // folders, by path
  std::vector<std::string> folders_;  // the same, each after the one above it
  std::vector<std::string> files_;
  std::vector<std::byte> block_ = std::vector<std::byte>(copy_block_bytes);
};

}  // namespace impound::agent
