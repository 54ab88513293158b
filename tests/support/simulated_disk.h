// A disk in memory that ends each of its steps as a real one may: the power fails before or after it, or the call
// fails, undone or done all the same. What was not synced survives a power cut at random, torn in sectors of 512 bytes,
// by seed.
//
//     SimulatedDisk disk({.step = 17, .fault = Fault::cut_after});
//     …run the code under test; after a cut every call fails…
//     auto after = disk.after_power_cut(seed);      // the next start
//
// Model: a synced file keeps its bytes, a synced folder its names; a rename happens as a whole or not at all; name
// changes survive each by itself; after a failed sync the bytes stay visible and a later sync does not save them. It
// accuses its caller of what must never happen. May be used from several threads (one lock around each call).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/system/disk.h"

namespace impound {

enum class Fault {
  none,
  cut_before,   // the step does not happen, then nothing more does
  cut_after,    // the step happens, nobody hears of it
  fail_undone,  // the call fails (EIO) and has done nothing
  fail_done,    // the call fails (EIO) and has done its work
};

struct FaultPlan {
  std::size_t step = 0;  // counted from 1 over all mutating calls; 0: never
  Fault fault = Fault::none;
  bool for_good = false;  // every later mutating call fails as well (fail_ kinds)
};

class SimulatedDisk final : public Disk {
 public:
  explicit SimulatedDisk(FaultPlan plan = {});
  ~SimulatedDisk() override;
  SimulatedDisk(SimulatedDisk&&) noexcept;

  // --- what happened, and what comes next
  std::size_t steps() const;
  std::vector<std::string> const& trace() const;        // a line a step: "sync journal.0"
  std::vector<std::string> const& accusations() const;  // must be empty at the end of each test
  bool is_off() const;                                  // a cut has happened
  void plan(FaultPlan plan);                            // counted from the steps made so far + step

  /// The machine after a power cut now. Seed 0: nothing unsynced survives; seed 1: everything; others: at random.
  std::unique_ptr<SimulatedDisk> after_power_cut(std::uint64_t seed, FaultPlan plan = {}) const;
  /// A new process on the same page cache: everything is visible, the unsynced is still unsynced.
  std::unique_ptr<SimulatedDisk> after_kill(FaultPlan plan = {}) const;

  /// A Disk on one folder of this one (made, durable, when missing); steps are counted here. Must not outlive it.
  std::unique_ptr<Disk> folder(std::string path);

  // --- the world outside, no step of the program's
  void put_file(std::string_view path, std::string_view bytes, std::uint32_t mode = 0600,
                std::uint32_t owner = 1000);  // durable
  void put_folder(std::string_view path);     // durable, with those above it
  void put_symlink(std::string_view path);
  void put_link(std::string_view existing, std::string_view path);                      // a second name
  void overwrite(std::string_view path, std::uint64_t offset, std::string_view bytes);  // by a stranger; breaks leases
  void erase(std::string_view path);
  bool exists(std::string_view path) const;
  std::string content(std::string_view path) const;  // "" when it is not there
  std::vector<std::string> files() const;            // every file's path, sorted
  void flip_bit(std::string_view path, std::uint64_t bit);
  std::size_t fingerprint() const;  // of all names, modes and bytes

  /// Syncs for which `drop` says true succeed and do nothing: canaries. kind: "sync", "sync_folder", "sync_everything".
  using Drop = std::function<bool(std::string_view kind, std::string_view path)>;
  void drop_syncs(Drop drop);
  void leases_supported(bool yes);
  void someone_writes(std::string_view path, bool yes);  // a stranger holds the file open for writing: leases are busy
  void capacity(std::optional<std::uint64_t> bytes);     // of all files together; more is Code::no_space
  static constexpr std::uint32_t owner = 1000;           // uid of files the program makes

  // --- Disk
  Result<DiskHandle> open(std::string_view path, Open how) override;
  void close(DiskHandle file) override;
  Result<std::size_t> read(DiskHandle file, std::uint64_t offset, std::span<std::byte> into) override;
  Result<void> forget_cached(DiskHandle file) override;
  Result<void> write(DiskHandle file, std::uint64_t offset, Bytes bytes) override;
  Result<void> truncate(DiskHandle file, std::uint64_t size) override;
  Result<void> reserve(DiskHandle file, std::uint64_t size) override;
  Result<void> sync(DiskHandle file) override;
  Result<void> sync_folder(std::string_view path) override;
  Result<void> sync_everything() override;
  Result<void> rename(std::string_view from, std::string_view to, Replace replace) override;
  Result<void> remove(std::string_view path) override;
  Result<void> remove_folder(std::string_view path) override;
  Result<void> make_folder(std::string_view path) override;
  Result<void> set_mode(DiskHandle file, std::uint32_t mode) override;
  Result<FileFacts> facts(DiskHandle file) override;
  Result<FileFacts> facts_of(std::string_view path) override;
  Result<std::vector<FolderEntry>> list(std::string_view path, std::size_t entries_max = 10'000'000) override;
  Result<std::uint64_t> free_bytes() override;
  Result<Lease> take_lease(DiskHandle file) override;
  bool lease_held(DiskHandle file) override;
  void drop_lease(DiskHandle file) override;

 private:
  struct State;
  explicit SimulatedDisk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace impound
