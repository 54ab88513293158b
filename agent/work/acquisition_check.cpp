// What the worker downloaded, held against the torrent's hashes by the agent itself, before anything of it is sealed.
// See acquisition.h.
#include <algorithm>
#include <limits>
#include <utility>

#include "agent/work/acquisition.h"
#include "agent/work/staging.h"
#include "evidence/formats/hex.h"
#include "evidence/system/descriptor.h"
#include "fetchers/torrents/payload_check.h"

namespace impound::agent {

namespace {

constexpr std::uint64_t read_at_a_time = 256u << 20;  // while more comes; then the workers are heard again
constexpr std::size_t leases_max = 1'000;
constexpr std::int64_t tried_again_us = 30'000'000;

/// Gives the file's bytes from `at` to `to` to the check, as many as there are, and moves `at` behind them.
Result<void> read_into(fetchers::PayloadCheck& check, DiskFile& file, std::uint64_t& at, std::uint64_t to) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(to - at, 1u << 20)));
  while (at < to) {
    IMPOUND_TRY(count, file.read(at, std::span{buffer}.first(std::min<std::size_t>(buffer.size(), to - at))));
    if (count == 0) break;
    check.add(Bytes{buffer}.first(count));
    at += count;
  }
  return ok();
}

/// Gives `count` bytes from `at` to the check; fewer where they cannot be read.
std::uint64_t read_part(fetchers::PayloadCheck& check, DiskFile& file, std::uint64_t at, std::uint64_t count) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(count, 1u << 20)));
  std::uint64_t given = 0;
  while (given < count) {
    auto const got =
        file.read(at + given, std::span{buffer}.first(std::min<std::size_t>(buffer.size(), count - given)));
    if (!got || got.value() == 0) break;
    check.add(Bytes{buffer}.first(got.value()));
    given += got.value();
  }
  return given;
}

}  // namespace

bool Acquisitions::known(Running const& running, fetchers::FileDone const& done) {
  if (!running.metainfo || done.index >= running.metainfo->files.size()) return false;
  fetchers::TorrentFile const& file = running.metainfo->files[done.index];
  return !file.pad && running.left_out[done.index].empty() && file.path_bytes == done.path_bytes &&
         file.size == done.size;
}

/// Goes on through the torrent, in its order, as far as files are whole: those behind one that still comes wait for it.
/// Once no more come, what is missing is passed over.
Result<void> Acquisitions::hold_against_torrent(Running& running, Rest rest) {
  Intake& intake = running.intake;
  fetchers::Metainfo const& torrent = *running.metainfo;
  if (!intake.check) {
    IMPOUND_TRY(check, fetchers::PayloadCheck::of(torrent));
    intake.check = std::move(check);
    intake.pieces = fetchers::piece_ranges(torrent);
  }
  fetchers::PayloadCheck& check = *intake.check;
  std::uint64_t left = rest == Rest::comes ? read_at_a_time : std::numeric_limits<std::uint64_t>::max();
  while (check.due() < torrent.files.size()) {
    std::size_t const index = check.due();
    fetchers::TorrentFile const& file = torrent.files[index];
    auto const whole = intake.whole.find(index);
    if (file.pad || !running.left_out[index].empty()) {
      check.skip_file();
    } else if (is_sealed(running, index)) {
      IMPOUND_CHECK(read_sealed_edges(running, index));
    } else if (whole != intake.whole.end()) {
      auto const read = read_whole_file(running, whole->second, left);
      // Too many open files, or a lease: tried again. Others wait behind it, so not for long.
      std::int64_t const now = session_.clock().boot_us();
      if (!read && rest == Rest::comes && read.error().code == Code::io &&
          now - intake.unreadable_since_us.value_or(now) < tried_again_us) {
        intake.unreadable_since_us = intake.unreadable_since_us.value_or(now);
        return ok();
      }
      if (!read) intake.unreadable.emplace(index, line(read.error()));
      if (left == 0) return ok();
      end_file(running);
    } else if (rest == Rest::comes) {
      auto const there = intake.reached.find(index);
      if (there == intake.reached.end()) return ok();
      std::uint64_t const to = std::min({there->second.bytes, file.size, intake.read.value_or(0) + left});
      (void)read_on(running, there->second.staged_path, to);  // what goes wrong shows when it is whole
      return ok();
    } else if (intake.read) {
      end_file(running);
    } else {
      check.skip_file();
    }
    if (index % 1000 == 0 && index > 0)
      terminal_.status("checking  " + std::to_string(index) + " of " + std::to_string(torrent.files.size()));
  }
  check.finish();
  return ok();
}

/// Of the file that is due, from where it was read to: the worker writes behind that still, and what it did to bytes
/// that were read shows when the file is sealed, hashed again under a lease.
Result<void> Acquisitions::read_on(Running& running, std::string const& staged_path, std::uint64_t to) {
  Intake& intake = running.intake;
  if (!intake.read) {
    intake.check->begin_file();
    intake.read = 0;
  }
  if (to <= *intake.read) return ok();
  std::string const path = staging_path(staging_of(running)) + "/" + staged_path;
  IMPOUND_TRY(file, DiskFile::open(session_.disk(), path, Open::read));
  IMPOUND_TRY(facts, file.facts());
  if (facts.type != FileFacts::Type::file) return Error{Code::refused, "not a regular file", path, {}};
  return read_into(*intake.check, file, *intake.read, to);
}

/// A byte more than there shall be, so that a longer one is noticed. Where it gets a lease before its first byte, what
/// is read here is what is sealed, and sealing does not read it again.
Result<void> Acquisitions::read_whole_file(Running& running, fetchers::FileDone const& done, std::uint64_t& left) {
  Intake& intake = running.intake;
  std::uint64_t const from = intake.read.value_or(0);
  std::uint64_t const to = from + std::min(left, done.size + 1 - from);
  if (!intake.read) {
    intake.leased = lease(running, done);
    intake.check->begin_file();
    intake.read = 0;
  }
  auto read = intake.leased ? read_into(*intake.check, intake.leased->file, *intake.read, to)
                            : read_on(running, done.staged_path, to);
  left -= *intake.read - from;
  return read;
}

/// Nothing where there is none to be had.
std::shared_ptr<evidence::HashedFile> Acquisitions::lease(Running const& running, fetchers::FileDone const& done) {
  if (running.paused) return nullptr;         // who waits keeps nothing open
  if (!done.sha256) return nullptr;           // then sealing's is the second of two readings
  if (settings_.all_digests) return nullptr;  // it reads for the others anyway
  std::size_t held = 0;
  for (auto const& [id, other] : running_) held += other.intake.hashed.size();
  // They stay open until they are sealed, beside the half of all that sealing takes.
  if (held >= share_of_open_files(leases_max, 4)) return nullptr;
  std::string const path = staging_path(staging_of(running)) + "/" + done.staged_path;
  auto file = DiskFile::open(session_.disk(), path, Open::read);
  if (!file) return nullptr;
  auto const facts = file.value().facts();
  if (!facts || facts.value().type != FileFacts::Type::file) return nullptr;
  auto const taken = session_.disk().take_lease(file.value().handle());
  if (!taken || taken.value() != Lease::taken) return nullptr;
  auto leased = std::make_shared<evidence::HashedFile>();
  leased->facts = facts.value();
  leased->file = std::move(file).value();
  return leased;
}

/// Of the file that is due no more is read.
void Acquisitions::end_file(Running& running) {
  Intake& intake = running.intake;
  std::uint64_t const index = intake.check->due();
  intake.check->end_file();
  intake.read.reset();
  intake.unreadable_since_us.reset();
  auto const leased = std::exchange(intake.leased, nullptr);
  if (!leased || !intake.check->files()[index].there) return;
  leased->sha256 = intake.check->files()[index].sha256;
  intake.hashed.emplace(index, leased);
}

/// Of a file that is sealed only the bytes in pieces that it shares with its neighbours are of interest.
Result<void> Acquisitions::read_sealed_edges(Running& running, std::size_t index) {
  fetchers::PayloadCheck& check = *running.intake.check;
  fetchers::TorrentFile const& file = running.metainfo->files[index];
  auto const before = running.sealed_before.find(hex(bytes_of(file.path_bytes)));
  auto const now = running.intake.sealed.find(index);
  auto const digest = now != running.intake.sealed.end()      ? std::optional{now->second}
                      : before != running.sealed_before.end() ? digest_from_hex<Sha256>(before->second.sha256)
                                                              : std::optional<Sha256>{};
  if (!digest) {
    check.skip_file();
    return ok();
  }
  auto object = DiskFile::open(session_.disk(), evidence::object_path(*digest), Open::read);
  if (!object) {
    check.skip_file();
    return ok();
  }
  std::uint64_t const edge = std::min(file.size, running.metainfo->piece_length);
  check.begin_file();
  std::uint64_t done = read_part(check, object.value(), 0, edge);
  // What lies between is whole pieces and no more: it ends where the last piece that reaches into the file begins.
  std::uint64_t const tail = std::min(file.size - edge, running.metainfo->piece_length);
  if (done == edge) {
    check.leap(file.size - edge - tail);
    done = file.size - tail + read_part(check, object.value(), file.size - tail, tail);
  }
  check.leap(file.size - done);  // of an object that cannot be read whole; `verify` tells of it
  check.end_file();
  return ok();
}

/// Why a file whose verdict is final must not be sealed; "" for none.
std::string Acquisitions::problem_of(Running const& running, fetchers::FileDone const& done) {
  if (auto const why = running.intake.unreadable.find(done.index); why != running.intake.unreadable.end())
    return why->second;
  fetchers::CheckedFile const& file = running.intake.check->files()[done.index];
  if (file.wrong) return "it does not hash to what the torrent says";
  if (!file.there) return "its size is not what the torrent says";
  bool const as_it_arrived = !done.sha256 || *done.sha256 == file.sha256;
  return as_it_arrived ? "" : "its bytes are not those whose digest was taken as they arrived";
}

}  // namespace impound::agent
