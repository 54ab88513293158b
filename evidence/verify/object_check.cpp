#include "evidence/verify/object_check.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/many_digests.h"
#include "evidence/vault.h"
#include "evidence/verify/parallel.h"

namespace impound::evidence {

namespace {

constexpr std::size_t block_bytes = 256 * 1024;  // stays in a core's cache while it is hashed
/// Objects up to this size are read whole, and hashed as many at a time as there are lanes.
constexpr std::uint64_t small_object_max = block_bytes;

/// The verdict and the progress, for several threads.
class Shared {
 public:
  Shared(Verdict& verdict, Named const& named, VerifyOptions const& options)
      : verdict_(verdict), options_(options), all_(options.progress ? named.bytes() : 0) {}
  void add(What what, std::string where, std::string detail) {
    std::lock_guard const lock(mutex_);
    verdict_.add(what, std::move(where), std::move(detail));
  }
  void hashed(std::uint64_t bytes) {
    std::lock_guard const lock(mutex_);
    verdict_.bytes += bytes;
    if (options_.progress) options_.progress(bytes, all_);
  }
  bool cancelled() const { return options_.cancelled && options_.cancelled(); }
  void count(std::uint64_t Verdict::*counter) {
    std::lock_guard const lock(mutex_);
    ++(verdict_.*counter);
  }
  std::atomic<std::uint64_t> writable = 0;

 private:
  std::mutex mutex_;
  Verdict& verdict_;
  VerifyOptions const& options_;
  std::uint64_t all_;
};

/// The digest of [offset, offset + length); `read` says how much of it is there.
struct Hashed {
  Sha256 sha256;
  std::uint64_t read = 0;
};

Result<Hashed> hash_range(DiskFile& file, std::uint64_t offset, std::uint64_t length, Shared& shared,
                          Sha256Stream* whole = nullptr) {
  Hashed hashed;
  Sha256Stream digest;
  thread_local std::vector<std::byte> block(block_bytes);  // one a thread, not one a file
  while (hashed.read < length) {
    if (shared.cancelled()) return Error{Code::cancelled, "interrupted", {}, {}};
    std::size_t const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), length - hashed.read));
    IMPOUND_TRY(count, file.read(offset + hashed.read, std::span{block}.first(wanted)));
    if (count == 0) break;
    digest.add(Bytes{block}.first(count));
    if (whole != nullptr) whole->add(Bytes{block}.first(count));
    hashed.read += count;
    shared.hashed(count);
  }
  hashed.sha256 = digest.finish();
  return hashed;
}

struct Opened {
  DiskFile file;
  FileFacts facts;
};

/// A regular file, or the problem is told.
std::optional<Opened> open_regular(Disk& vault, std::string const& path, Shared& shared) {
  auto file = DiskFile::open(vault, path, Open::read);
  if (!file) {
    bool const gone = file.error().code == Code::not_found;
    shared.add(gone ? What::missing : What::altered, path, gone ? "an entry names it" : line(file.error()));
    return std::nullopt;
  }
  auto facts = file.value().facts();
  if (!facts || facts.value().type != FileFacts::Type::file) {
    shared.add(What::altered, path, "not a regular file");
    return std::nullopt;
  }
  return Opened{std::move(file).value(), facts.value()};
}

/// An object that is there with its size, or the problem is told.
std::optional<Opened> open_object(Disk& vault, NamedObject const& object, std::string const& path, Shared& shared) {
  auto opened = open_regular(vault, path, shared);
  if (!opened) return std::nullopt;
  if (opened->facts.size != object.size) {
    shared.add(
        What::altered, path,
        "it has " + std::to_string(opened->facts.size) + " bytes, its exhibit says " + std::to_string(object.size));
    return std::nullopt;
  }
  shared.count(&Verdict::objects);
  if ((opened->facts.mode & 0222) != 0) ++shared.writable;
  return opened;
}

void check_large_object(Disk& vault, NamedObject const& object, Shared& shared) {
  std::string const path = object_path(object.sha256);
  auto opened = open_object(vault, object, path, shared);
  if (!opened) return;
  auto hashed = hash_range(opened->file, 0, object.size, shared);
  if (!hashed)
    shared.add(What::altered, path, "it cannot be read: " + line(hashed.error()));
  else if (hashed.value().read != object.size || hashed.value().sha256 != object.sha256)
    shared.add(What::altered, path, "its bytes hash to " + hex(hashed.value().sha256));
}

/// Adds what is there of a small object, at most its size, to `into`. False: the problem is told.
bool read_small_object(Disk& vault, NamedObject const& object, std::vector<std::byte>& into, Shared& shared) {
  std::string const path = object_path(object.sha256);
  auto opened = open_object(vault, object, path, shared);
  if (!opened) return false;
  std::size_t const start = into.size();
  into.resize(start + static_cast<std::size_t>(object.size));
  std::uint64_t read = 0;
  while (read < object.size) {
    auto count = opened->file.read(read, std::span{into}.subspan(start + static_cast<std::size_t>(read)));
    if (!count) {
      shared.add(What::altered, path, "it cannot be read: " + line(count.error()));
      into.resize(start);
      return false;
    }
    if (count.value() == 0) break;
    read += count.value();
  }
  into.resize(start + static_cast<std::size_t>(read));
  shared.hashed(read);
  return true;
}

/// Up to digest_lanes objects, all small.
void check_small_objects(Disk& vault, std::span<NamedObject const* const> objects, Shared& shared) {
  thread_local std::vector<std::byte> bytes;  // one a thread, for all rounds
  bytes.clear();
  bytes.reserve(static_cast<std::size_t>(small_object_max) * digest_lanes);  // never moved: `messages` point into it
  std::vector<NamedObject const*> held;
  std::vector<Bytes> messages;
  for (NamedObject const* const object : objects) {
    std::size_t const start = bytes.size();
    if (!read_small_object(vault, *object, bytes, shared)) continue;
    held.push_back(object);
    messages.push_back(Bytes{bytes}.subspan(start));
  }
  std::vector<Sha256> digests(messages.size());
  sha256_each(messages, digests);
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (digests[i] == held[i]->sha256) continue;
    Sha256 const again = sha256(messages[i]);  // nothing is called altered on the word of the lanes alone
    if (again != held[i]->sha256)
      shared.add(What::altered, object_path(held[i]->sha256), "its bytes hash to " + hex(again));
  }
}

/// Where the records of a rewritten file lie: those left, in their order, without a gap. A crash may have come between
/// the order and the rewriting: then the file is as long as it was before, and what is cut later still lies between
/// (its bytes are in no record that an entry names: unnamed_files() says so).
std::vector<NamedRecord> places_in(RewrittenWarc const& file, std::vector<NamedRecord> const& left,
                                   std::uint64_t size) {
  std::set<std::uint64_t> orders;
  for (auto const& cut : file.cuts) orders.insert(cut.by_entry);
  auto const placed_with = [&](std::uint64_t from_order) {
    std::vector<std::pair<NamedRecord, bool>> all;
    for (NamedRecord const& record : left) all.emplace_back(record, true);
    for (auto const& cut : file.cuts)
      if (cut.by_entry >= from_order) all.emplace_back(cut.record, false);
    std::sort(all.begin(), all.end());
    std::vector<NamedRecord> placed;
    std::uint64_t at = 0;
    for (auto& [record, stays] : all) {
      record.offset = std::exchange(at, at + record.length);
      if (stays) placed.push_back(record);
    }
    return std::pair{at, placed};
  };
  auto const done = placed_with(UINT64_MAX);
  if (done.first == size) return done.second;
  for (std::uint64_t const order : orders)
    if (auto const undone = placed_with(order); undone.first == size) return undone.second;
  return done.second;
}

/// What warc.closed says of the file, against the entries before and behind it.
void check_closing(std::string const& path, Named const& named, Shared& shared) {
  NamedClosing const& closing = named.closings.at(path);
  std::string const where = "entry " + std::to_string(closing.index);
  auto const rewritten = named.rewritten.find(path);
  auto const left = named.records.find(path);
  std::uint64_t records = 0;
  std::uint64_t end = 0;
  auto const count = [&](NamedRecord const& record) {
    ++records;
    end = std::max(end, record.offset + record.length);
    if (record.index > closing.index)
      shared.add(What::malformed, "entry " + std::to_string(record.index),
                 "it names a record of " + path + ", which " + where + " had closed");
  };
  if (left != named.records.end())
    for (std::size_t i = 0; i < left->second.size(); ++i)
      if (i == 0 || !left->second[i].same_record(left->second[i - 1])) count(left->second[i]);
  if (rewritten != named.rewritten.end())
    for (auto const& cut : rewritten->second.cuts) count(cut.record);
  if (records != closing.closed.records || end != closing.closed.bytes)
    shared.add(What::malformed, where,
               "it closes " + path + " with other records than entries name: " + std::to_string(records) + " in " +
                   std::to_string(end) + " bytes");
  if (rewritten != named.rewritten.end() && rewritten->second.before != closing.closed.sha256)
    shared.add(What::malformed, "entry " + std::to_string(rewritten->second.first_by_entry),
               "the file it cuts, " + path + ", is not the one that " + where + " has closed");
}

void check_file(Disk& vault, std::string const& path, Named const& named, Shared& shared) {
  auto opened = open_regular(vault, path, shared);
  if (!opened) return;
  auto const rewritten = named.rewritten.find(path);
  bool const cut = rewritten != named.rewritten.end();
  auto const closing = named.closings.find(path);
  bool const whole_wanted = cut || closing != named.closings.end();
  std::vector<NamedRecord> records = named.records.at(path);
  if (cut) records = places_in(rewritten->second, records, opened->facts.size);
  records.erase(
      std::unique(records.begin(), records.end(), [](auto const& a, auto const& b) { return a.same_record(b); }),
      records.end());
  Sha256Stream whole;
  std::uint64_t at = 0;
  bool sound = true;  // else the whole cannot be what it was, and one problem is enough
  for (NamedRecord const& record : records) {
    std::string const place = "record " + hex(record.sha256) + " at byte " + std::to_string(record.offset);
    if (record.offset > at && !cut)
      shared.add(What::added, path,
                 "bytes " + std::to_string(at) + " to " + std::to_string(record.offset) + " are in no record");
    if (record.offset < at) shared.add(What::malformed, path, place + " lies over another");
    at = std::max(at, record.offset + record.length);
    shared.count(&Verdict::records);
    auto hashed = hash_range(opened->file, record.offset, record.length, shared, whole_wanted ? &whole : nullptr);
    sound = sound && hashed && hashed.value().read == record.length && hashed.value().sha256 == record.sha256;
    if (!hashed)
      shared.add(What::altered, path, place + " cannot be read: " + line(hashed.error()));
    else if (hashed.value().read != record.length)
      shared.add(What::missing, path, place + " is cut off");
    else if (hashed.value().sha256 != record.sha256)
      shared.add(What::altered, path, place + " has other bytes");
  }
  if (cut && at == opened->facts.size && rewritten->second.after != whole.finish())
    shared.add(What::altered, path,
               "it is not the file that entry " + std::to_string(rewritten->second.last_by_entry) + " says was left");
  if (!cut && closing != named.closings.end() && sound && at == opened->facts.size &&
      closing->second.closed.sha256 != whole.finish())
    shared.add(What::altered, path,
               "it is not the file that entry " + std::to_string(closing->second.index) + " has closed");
}

}  // namespace

void check_objects(Disk& vault, Named const& named, VerifyOptions const& options, Verdict& verdict) {
  Shared shared(verdict, named, options);
  std::vector<NamedObject const*> small;
  std::vector<NamedObject const*> large;
  for (std::size_t i = 0; i < named.objects.size(); ++i) {
    NamedObject const& object = named.objects[i];
    if (i > 0 && named.objects[i - 1].same_object(object)) continue;  // of another exhibit
    (object.size <= small_object_max ? small : large).push_back(&object);
  }
  // The large ones first: at the end no thread is left alone with one.
  std::uint64_t const rounds = (small.size() + digest_lanes - 1) / digest_lanes;
  for_each_below(large.size() + rounds, options.threads, [&](std::uint64_t task) {
    if (shared.cancelled()) return;
    if (task < large.size()) return check_large_object(vault, *large[static_cast<std::size_t>(task)], shared);
    auto const first = static_cast<std::size_t>(task - large.size()) * digest_lanes;
    check_small_objects(vault, std::span(small).subspan(first, std::min(digest_lanes, small.size() - first)), shared);
  });
  // Modes are easily lost in a copy and prove nothing: the bytes do.
  if (shared.writable > 0) verdict.notes.push_back(std::to_string(shared.writable) + " objects are not read-only");
}

void check_records(Disk& vault, Named const& named, VerifyOptions const& options, Verdict& verdict) {
  Shared shared(verdict, named, options);
  for (auto const& [file, closing] : named.closings) check_closing(file, named, shared);
  std::vector<std::string> files;
  for (auto const& [file, records] : named.records) files.push_back(file);
  for_each_below(files.size(), options.threads, [&](std::uint64_t i) {
    if (!shared.cancelled()) check_file(vault, files[static_cast<std::size_t>(i)], named, shared);
  });
}

}  // namespace impound::evidence
