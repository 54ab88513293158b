// What custody.py measures of the library, one mode a run. Each proves its result and prints: wall seconds, CPU
// seconds, and what proves it.
//
//     bench_custody disk FOLDER GROUPS BYTES            plain write + fdatasync, GROUPS times
//     bench_custody acknowledged FOLDER ENTRIES GROUP   appends durable in the journal; what is due is published
//     bench_custody published FOLDER ENTRIES GROUP      appends and tiles, up to the signed checkpoint
//     bench_custody proofs ENTRIES PROOFS               inclusion proofs out of hashes in memory
//     bench_custody log FOLDER ENTRIES                  makes a log of the smallest valid entries
//     bench_custody open FOLDER                         opens it as the agent does
//     bench_custody check FOLDER                        verifies it as `verify --log-only` does, on one core
//     bench_custody digests FILE                        SHA-256, SHA-1 and MD5 in one pass
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "evidence/custody_log.h"
#include "evidence/formats/base64.h"
#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/open_file_hash.h"
#include "evidence/vault.h"
#include "evidence/verify/vault_check.h"

namespace {

using namespace impound;
using namespace impound::evidence;

constexpr char const* origin = "bench.example/evidence";
constexpr std::size_t entry_bytes = 200;
constexpr std::uint64_t unpublished_max = 4'000;  // fits into one journal file

[[noreturn]] void stop(std::string const& why) {
  std::fprintf(stderr, "custody: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T need(Result<T> result) {
  if (!result) stop(line(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

std::string entry(std::uint64_t number) {
  std::string const text = "{\"n\":" + std::to_string(number) + ",\"fill\":\"";
  return text + std::string(entry_bytes - text.size() - 2, 'x') + "\"}";
}

/// The smallest entry that verify takes: another id each, the session of entry 0.
std::string valid_entry(std::uint64_t number) {
  char digits[13];
  std::snprintf(digits, sizeof digits, "%012llx", static_cast<unsigned long long>(number));
  bool const first = number == 0;
  return std::string("{\"body\":{") + (first ? "\"vault_toml_sha256\":\"" + std::string(64, '0') + "\"" : "") +
         "},\"id\":\"01890000-0000-7000-8000-" + digits + "\",\"kind\":\"" + (first ? "vault.created" : "note.added") +
         "\",\"salt\":\"" + std::string(32, 'a') +
         "\",\"session\":\"01890000-0000-7000-8000-000000000000\",\"time\":{\"boot_id\":\"b\",\"boot_us\":1,\"clock\":"
         "\"synchronised\",\"utc\":\"2017-05-05T18:00:00.000000Z\"},\"v\":1}";
}

/// Wall and CPU time while it runs.
class Stopwatch {
 public:
  void start() { wall_ -= wall(), cpu_ -= cpu(); }
  void stop() { wall_ += wall(), cpu_ += cpu(); }
  void print(std::string const& proof) const { std::printf("%.6f %.6f %s\n", wall_, cpu_, proof.c_str()); }

 private:
  static double seconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  }
  static double wall() { return seconds(CLOCK_MONOTONIC); }
  static double cpu() { return seconds(CLOCK_PROCESS_CPUTIME_ID); }
  double wall_ = 0;
  double cpu_ = 0;
};

SigningKey key() { return SigningKey::from_seed(std::vector<std::byte>(32, std::byte{1})); }

struct Places {
  std::unique_ptr<LinuxDisk> vault;
  std::unique_ptr<LinuxDisk> state;
  explicit Places(std::string const& folder) {
    std::filesystem::create_directories(folder + "/vault");
    std::filesystem::create_directories(folder + "/state");
    vault = need(LinuxDisk::open_at(folder + "/vault"));
    state = need(LinuxDisk::open_at(folder + "/state"));
  }
};

void disk(std::string const& folder, std::uint64_t groups, std::size_t bytes) {
  std::string const path = folder + "/plain";
  int const file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) stop("cannot open " + path);
  std::string const group(bytes, 'x');
  Stopwatch watch;
  watch.start();
  for (std::uint64_t i = 0; i < groups; ++i)
    if (::pwrite(file, group.data(), bytes, static_cast<off_t>(i * bytes)) != static_cast<ssize_t>(bytes) ||
        ::fdatasync(file) != 0)
      stop("cannot write " + path);
  watch.stop();
  ::close(file);
  watch.print(std::to_string(groups * bytes));
}

void append(std::string const& folder, std::uint64_t count, std::uint64_t group_size, bool published) {
  Places places(folder);
  SigningKey const signing = key();
  auto log = need(CustodyLog::create(*places.vault, *places.state, signing, origin, entry(0)));
  std::vector<std::vector<std::string>> groups;
  for (std::uint64_t n = 1; n < count;) {
    std::vector<std::string>& group = groups.emplace_back();
    for (std::uint64_t i = 0; i < group_size && n < count; ++i) group.push_back(entry(n++));
  }
  Stopwatch watch;
  watch.start();
  for (auto const& group : groups) {
    if (!published && log->size() - log->published_size() + group.size() > unpublished_max) {
      watch.stop();
      need(log->publish());
      watch.start();
    }
    need(log->append(group));
  }
  if (published) need(log->publish());
  watch.stop();
  need(log->publish());
  watch.print(base64(log->checkpoint().root.bytes));
}

void proofs(std::uint64_t count, std::uint64_t wanted) {
  std::vector<std::vector<LeafHash>> levels(1);
  for (std::uint64_t n = 0; n < count; ++n) levels[0].push_back(leaf_hash(bytes_of(entry(n))));
  while (levels.back().size() > 1) {
    std::vector<LeafHash> above;
    for (std::size_t i = 0; i + 1 < levels.back().size(); i += 2)
      above.push_back(node_hash(levels.back()[i], levels.back()[i + 1]));
    levels.push_back(std::move(above));
  }
  StoredHashes const stored = [&](std::span<TreeNode const> nodes, std::span<LeafHash> into) -> Result<void> {
    for (std::size_t i = 0; i < nodes.size(); ++i) into[i] = levels[nodes[i].level][nodes[i].index];
    return ok();
  };
  MerkleProver prover(count, stored);
  Sha256 const root = need(prover.root());
  std::vector<MerkleProof> made(static_cast<std::size_t>(wanted));
  Stopwatch watch;
  watch.start();
  for (std::size_t i = 0; i < made.size(); ++i) made[i] = need(prover.inclusion(i * 7'919 % count));
  watch.stop();
  for (std::size_t i = 0; i < made.size(); ++i) {
    std::uint64_t const n = i * 7'919 % count;
    if (!inclusion_holds(leaf_hash(bytes_of(entry(n))), n, count, made[i], root)) stop("a proof does not hold");
  }
  watch.print(base64(root.bytes));
}

void make_log(std::string const& folder, std::uint64_t count) {
  Places places(folder);
  SigningKey const signing = key();
  auto log = need(CustodyLog::create(*places.vault, *places.state, signing, origin, valid_entry(0)));
  Stopwatch watch;
  watch.start();
  for (std::uint64_t n = 1; n < count;) {
    std::vector<std::string> group;
    while (group.size() < 4'000 && n < count) group.push_back(valid_entry(n++));
    need(log->append(group));
  }
  need(log->publish());
  watch.stop();
  watch.print(std::to_string(valid_entry(1).size()));
}

void open(std::string const& folder) {
  Places places(folder);
  SigningKey const signing = key();
  Stopwatch watch;
  watch.start();
  auto const log = need(CustodyLog::open(*places.vault, *places.state, signing, origin));
  watch.stop();
  watch.print(std::to_string(log->size()));
}

void check(std::string const& folder) {
  Places places(folder);
  VerifyOptions options;
  options.vkey = key().vkey(origin);
  options.log_only = true;
  options.threads = 1;
  Stopwatch watch;
  watch.start();
  Verdict const verdict = verify_vault(*places.vault, options);
  watch.stop();
  // The folder holds a log and no vault: that vault.toml is missing is all that may be wrong with it.
  for (Problem const& problem : verdict.problems)
    if (problem.where != "vault.toml") stop("not verified: " + problem.where + " " + problem.detail);
  watch.print(std::to_string(verdict.entries));
}

void digests(std::string const& path) {
  auto const folder = need(LinuxDisk::open_at(std::filesystem::path(path).parent_path().string()));
  auto file = need(DiskFile::open(*folder, std::filesystem::path(path).filename().string(), Open::read));
  std::uint64_t const size = need(file.facts()).size;
  Stopwatch watch;
  watch.start();
  HashedThrice const hashed = need(hash_open_file_thrice(file, size));
  watch.stop();
  watch.print(hex(hashed.bytes.sha256) + " " + hex(hashed.further.sha1) + " " + hex(hashed.further.md5));
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::string> const words(arguments + 1, arguments + count);
  auto const number = [&](std::size_t i) { return std::strtoull(words[i].c_str(), nullptr, 10); };
  std::string const mode = words.empty() ? "" : words[0];
  if (words.empty())
    std::printf("custody: its modes are run, beside their peers, by custody.py\n");
  else if (mode == "disk" && words.size() == 4)
    disk(words[1], number(2), static_cast<std::size_t>(number(3)));
  else if ((mode == "acknowledged" || mode == "published") && words.size() == 4)
    append(words[1], number(2), number(3), mode == "published");
  else if (mode == "proofs" && words.size() == 3)
    proofs(number(1), number(2));
  else if (mode == "log" && words.size() == 3)
    make_log(words[1], number(2));
  else if (mode == "open" && words.size() == 2)
    open(words[1]);
  else if (mode == "check" && words.size() == 2)
    check(words[1]);
  else if (mode == "digests" && words.size() == 2)
    digests(words[1]);
  else
    stop("unknown mode");
  return 0;
}
