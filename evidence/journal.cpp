#include "evidence/journal.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "evidence/formats/crc32c.h"
#include "evidence/formats/hex.h"
#include "evidence/values/must.h"

namespace impound::evidence {

namespace {

constexpr std::size_t header_bytes = 16;
constexpr std::size_t group_header_bytes = 16;
constexpr std::uint64_t file_bytes_max =
    header_bytes + group_header_bytes + journal_group_bytes_max + journal_file_bytes_max;

template <class Number>
void put(std::string& out, Number number) {
  for (unsigned i = 0; i < sizeof number; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
}

template <class Number>
Number get(std::string_view bytes, std::size_t at) {
  Number number = 0;
  for (unsigned i = sizeof number; i-- > 0;)
    number = static_cast<Number>(number << 8 | static_cast<unsigned char>(bytes[at + i]));
  return number;
}

/// The seed is the index's own crc: the plain index as a seed would cancel against its first bytes, which come next,
/// and the crc would not see the index at all.
std::uint32_t group_crc(std::string_view index_and_bytes, std::string_view body) {
  std::uint32_t const seed = crc32c(bytes_of(index_and_bytes.substr(0, 8)));
  return crc32c(bytes_of(body), crc32c(bytes_of(index_and_bytes), seed));
}

std::string file_header(std::uint64_t first, std::uint32_t generation) {
  std::string header;
  put(header, first);
  put(header, generation);
  put(header, crc32c(bytes_of(header)));
  return header;
}

struct FileHeader {
  std::uint64_t first = 0;
  std::uint32_t generation = 0;
};

std::optional<FileHeader> read_file_header(std::string_view bytes) {
  if (bytes.size() < header_bytes || get<std::uint32_t>(bytes, 12) != crc32c(bytes_of(bytes.substr(0, 12))))
    return std::nullopt;
  FileHeader const header{get<std::uint64_t>(bytes, 0), get<std::uint32_t>(bytes, 8)};
  return header.generation == 0 ? std::nullopt : std::optional{header};  // 16 zero bytes are no header
}

struct Group {
  std::uint64_t first = 0;
  std::string_view body;
  std::size_t end = 0;  // in the file
};

/// The group at `at`, when its crc holds and its index lies in [index_min, index_max].
std::optional<Group> group_at(std::string_view bytes, std::size_t at, std::uint64_t index_min,
                              std::uint64_t index_max) {
  if (at > bytes.size() || bytes.size() - at < group_header_bytes) return std::nullopt;
  auto const index = get<std::uint64_t>(bytes, at);
  auto const length = get<std::uint32_t>(bytes, at + 8);
  if (index < index_min || index > index_max || length > bytes.size() - at - group_header_bytes) return std::nullopt;
  std::string_view const body = bytes.substr(at + group_header_bytes, length);
  if (get<std::uint32_t>(bytes, at + 12) != group_crc(bytes.substr(at, 12), body)) return std::nullopt;
  return Group{index, body, at + group_header_bytes + length};
}

/// What a file holds: its whole groups, in order.
struct Scan {
  std::uint64_t first = 0;
  std::uint32_t generation = 0;
  std::size_t end = 0;  // bytes of header and whole groups
  std::vector<Group> groups;
  std::optional<std::size_t> damaged_at;
};

std::optional<std::uint64_t> entries_in(std::string_view body) {
  std::uint64_t count = 0;
  for (; !body.empty(); ++count) {
    if (body.size() < 4) return std::nullopt;
    auto const length = get<std::uint32_t>(body, 0);
    if (length > body.size() - 4) return std::nullopt;
    body.remove_prefix(4 + std::size_t{length});
  }
  return count;
}

Scan scan(std::string_view bytes) {
  Scan result;
  auto const header = read_file_header(bytes);
  std::uint64_t next = 0;
  if (header) {
    result.first = next = header->first;
    result.generation = header->generation;
    result.end = header_bytes;
    for (;;) {
      auto const group = group_at(bytes, result.end, next, next);
      if (!group) break;
      auto const count = entries_in(group->body);
      if (!count || *count == 0) {
        result.damaged_at = result.end;  // the crc holds over a body that nobody writes
        return result;
      }
      result.groups.push_back(*group);
      result.end = group->end;
      next += *count;
    }
  }
  // What follows is the torn last group, old bytes with lower indexes, or nothing. A later group behind it means that
  // the bad one was acknowledged once: damage.
  std::uint64_t const index_max = header ? next + bytes.size() : UINT64_MAX;
  for (std::size_t at = result.end; at + group_header_bytes <= bytes.size(); ++at) {
    if (auto const later = group_at(bytes, at, next, index_max); later && !later->body.empty()) {
      result.damaged_at = result.end;
      break;
    }
  }
  return result;
}

Error damaged(unsigned file, std::string what) {
  return Error{Code::damaged, std::move(what), Journal::path(file),
               "Acknowledged entries may be unreadable: keep a copy of the vault before anything else."};
}

Result<void> hand_over(Group const& group, Journal::Each const& each) {
  std::string_view body = group.body;
  for (std::uint64_t index = group.first; !body.empty(); ++index) {
    auto const length = get<std::uint32_t>(body, 0);
    IMPOUND_CHECK(each(index, body.substr(4, length)));
    body.remove_prefix(4 + std::size_t{length});
  }
  return ok();
}

std::uint64_t group_bytes(std::span<std::string const> entries) {
  std::uint64_t bytes = group_header_bytes;
  for (std::string const& entry : entries) bytes += 4 + entry.size();
  return bytes;
}

}  // namespace

std::string Journal::path(unsigned file) { return file == 0 ? "journal.0" : "journal.1"; }

Result<Journal> Journal::open(Disk& vault) {
  Journal journal(vault);
  bool made = false;
  for (unsigned file = 0; file < 2; ++file) {
    auto opened = DiskFile::open(vault, path(file), Open::write);
    if (!opened && opened.error().code == Code::not_found) {
      opened = DiskFile::open(vault, path(file), Open::create);
      made = true;
    }
    if (!opened) return std::move(opened).error();
    journal.files_[file] = std::move(opened).value();
  }
  if (made) IMPOUND_CHECK(vault.sync_folder(""));
  return journal;
}

Result<std::uint64_t> Journal::recover(std::uint64_t first_wanted, Each const& each) {
  std::array<std::string, 2> bytes;
  std::array<Scan, 2> scans;
  for (unsigned file = 0; file < 2; ++file) {
    IMPOUND_TRY(content, read_whole(*vault_, path(file), file_bytes_max));
    bytes[file] = std::move(content);
    scans[file] = scan(bytes[file]);
    if (scans[file].damaged_at)
      return damaged(file, "a group at byte " + std::to_string(*scans[file].damaged_at) + " of the journal is damaged");
    generation_ = std::max(generation_, scans[file].generation);
  }
  std::uint64_t next = first_wanted;
  unsigned const earlier = scans[1].first < scans[0].first ? 1 : 0;
  for (unsigned const file : {earlier, 1 - earlier}) {
    for (Group const& group : scans[file].groups) {
      auto const take = [&](std::uint64_t index, std::string_view entry) -> Result<void> {
        if (index < next) return ok();  // under the checkpoint already
        if (index > next)
          return damaged(file, "entries " + std::to_string(next) + " to " + std::to_string(index - 1) + " are missing");
        ++next;
        return each(index, entry);
      };
      IMPOUND_CHECK(hand_over(group, take));
    }
  }
  return next;
}

Result<void> Journal::start_anew() {
  bool renamed = false;
  for (unsigned file = 0; file < 2; ++file) {
    std::string const draft = path(file) + ".tmp";
    if (auto gone = vault_->remove(draft); !gone && gone.error().code != Code::not_found)
      return std::move(gone).error();
    IMPOUND_TRY(facts, files_[file].facts());
    used_[file] = 0;
    entries_[file] = 0;
    if (facts.size == 0) continue;
    IMPOUND_TRY(fresh, DiskFile::open(*vault_, draft, Open::create));
    IMPOUND_CHECK(fresh.sync());
    IMPOUND_CHECK(vault_->rename(draft, path(file), Replace::yes));
    files_[file] = std::move(fresh);
    renamed = true;
  }
  if (renamed) IMPOUND_CHECK(vault_->sync_folder(""));
  return ok();
}

bool Journal::has_room(std::span<std::string const> entries) const {
  if (used_[active_] == 0) return true;
  return entries_[active_] + entries.size() <= journal_file_entries_max &&
         used_[active_] + group_bytes(entries) <= journal_file_bytes_max;
}

Result<void> Journal::append(std::uint64_t first, std::span<std::string const> entries) {
  std::uint64_t const size = group_bytes(entries);
  must(!entries.empty() && size <= group_header_bytes + journal_group_bytes_max && has_room(entries));
  std::string bytes;
  bytes.reserve(header_bytes + size);
  if (used_[active_] == 0) bytes = file_header(first, ++generation_);
  std::string body;
  body.reserve(size);
  for (std::string const& entry : entries) {
    put(body, static_cast<std::uint32_t>(entry.size()));
    body += entry;
  }
  std::string head;
  put(head, first);
  put(head, static_cast<std::uint32_t>(body.size()));
  put(head, group_crc(head, body));
  bytes += head;
  bytes += body;

  DiskFile& file = files_[active_];
  intact_ = false;
  if (auto written = file.write(used_[active_], bytes_of(bytes)); !written) {
    intact_ = written.error().code == Code::no_space && file.truncate(used_[active_]);
    return std::move(written).error();
  }
  IMPOUND_CHECK(file.sync());
  // From here on the group is acknowledged.
  used_[active_] += bytes.size();
  entries_[active_] += entries.size();
  intact_ = true;
  return ok();
}

unsigned Journal::turn() {
  unsigned const file = active_;
  active_ = 1 - active_;
  must(used_[active_] == 0);
  return file;
}

Result<void> Journal::each(unsigned file, Each const& each) {
  IMPOUND_TRY(bytes, read_whole(*vault_, path(file), file_bytes_max));
  Scan const found = scan(bytes);
  if (found.damaged_at || found.end != used_[file])
    return damaged(file, "the journal does not hold what was written to it");
  for (Group const& group : found.groups) IMPOUND_CHECK(hand_over(group, each));
  return ok();
}

Result<void> Journal::empty(unsigned file) {
  IMPOUND_CHECK(files_[file].truncate(0));
  IMPOUND_CHECK(files_[file].sync());
  used_[file] = 0;
  entries_[file] = 0;
  return ok();
}

}  // namespace impound::evidence
