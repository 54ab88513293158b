// What the agent is told of a job's files: the part of engine.h that hands them over.
//
// A file is told once it is whole and its digest is there: the back end has closed it by then (arrival_disk), so that
// the agent, which takes it away while the rest still comes, finds nobody who could write to it; and its bytes are on
// the medium, so that no sync that failed is hidden from the agent. What has no digest
// when the job ends is told after libtorrent has let go of it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <libtorrent/torrent_status.hpp>
#include <utility>

#include "evidence/system/descriptor.h"
#include "fetchers/torrents/worker/engine.h"

namespace impound::fetchers {

namespace {

std::string staged_name(WantedFile const& file) {
  return numbered_file(static_cast<std::size_t>(static_cast<int>(file.engine_index)));
}

/// Nothing: errno says why.
Descriptor make_file(std::string const& path, int more_flags) {
  return Descriptor{::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | more_flags, 0600)};
}

std::string layer_name(WantedFile const& file) { return staged_name(file) + ".layer"; }

}  // namespace

bool Engine::has_arrived(TorrentJob const& job, WantedFile const& file) const {
  return job.torrent->files[file.index].size == 0 ||
         arrivals_->of(job.asked.folder, static_cast<int>(file.engine_index)).has_value();
}

Result<void> Engine::tell_file(TorrentJob& job, WantedFile& file) {
  if (file.told) return ok();
  file.told = true;
  auto const& named = job.torrent->files[file.index];
  auto const staged = staged_name(file);
  if (named.size == 0) {
    // Nothing was ever written to it, so the back end may not have made it.
    if (!make_file(job.asked.folder + "/" + staged, 0))
      return fail(job, errno == ENOSPC || errno == EDQUOT ? "disk_full" : "worker_ended", "cannot make an empty file");
  }
  auto const arrival = arrivals_->of(job.asked.folder, static_cast<int>(file.engine_index));
  return send(FileDone{job.asked.id, file.index, named.size, named.path_bytes, staged, arrival});
}

/// libtorrent says that a file is whole when its last piece comes, not when it finds it whole on the disk: what an
/// earlier run left must not wait for what is still to come, or be lost with what never came. An empty file is whole.
void Engine::note_whole_files(TorrentJob& job) {
  if (!job.torrent || !job.choice_in_force || !job.handle.is_valid()) return;
  auto const progress = job.handle.file_progress(lt::torrent_handle::piece_granularity);
  for (auto& file : job.files) {
    auto const at = static_cast<std::size_t>(static_cast<int>(file.engine_index));
    auto const size = static_cast<std::int64_t>(job.torrent->files[file.index].size);
    file.whole |= size == 0 || (at < progress.size() && progress[at] == size);
    job.tells_later |= file.whole && !file.told;
  }
}

/// A digest may come later than its file's last piece, where a piece before it is still to be read.
Result<void> Engine::tell_arrived(TorrentJob& job) {
  if (job.ending || !job.torrent || !job.choice_in_force) return ok();
  if (auto const failure = arrivals_->broken(job.asked.folder)) return fail_for_disk(job, failure->error);
  if (job.waits_for_digests) return finish(job);
  if (!std::exchange(job.tells_later, false)) return ok();
  for (auto& file : job.files) {
    if (!file.whole || file.told) continue;
    if (has_arrived(job, file))
      IMPOUND_CHECK(tell_file(job, file));
    else
      job.tells_later = true;
  }
  return ok();
}

/// A large file's second hash would else begin at its end. What is not sent is said by the next.
Result<void> Engine::tell_reached(TorrentJob& job) {
  if (job.ending || !job.torrent || !job.choice_in_force || line_.unsent()) return ok();
  for (auto const& [engine_index, bytes] : arrivals_->reached(job.asked.folder)) {
    auto const file = std::find_if(job.files.begin(), job.files.end(), [index = engine_index](WantedFile const& one) {
      return static_cast<int>(one.engine_index) == index;
    });
    if (file == job.files.end() || file->told || bytes < file->reached + reached_step_bytes) continue;
    file->reached = bytes;
    IMPOUND_CHECK(send(FileReached{job.asked.id, file->index, bytes, staged_name(*file)}));
  }
  return ok();
}

/// Where a sync of payload failed nothing of the torrent is told any more: what was written may not be there, and
/// nobody who opens it anew is told so.
Result<void> Engine::fail_for_disk(TorrentJob& job, Error const& error) {
  return fail(job, error.code == Code::no_space ? "disk_full" : "worker_ended", "disk: " + line(error));
}

Result<void> Engine::finish(TorrentJob& job) {
  if (job.linger_until) return ok();
  if (auto const failure = arrivals_->broken(job.asked.folder)) return fail_for_disk(job, failure->error);
  bool const waited = std::exchange(job.waits_for_digests, false);
  for (auto& file : job.files) {
    file.whole = true;
    if (has_arrived(job, file))
      IMPOUND_CHECK(tell_file(job, file));
    else
      job.waits_for_digests = true;
    if (job.ending) return ok();
  }
  if (job.waits_for_digests && !waited) job.handle.flush_cache();  // no later batch would come
  if (job.waits_for_digests) return ok();                          // each arrival asks again
  if (job.asked.linger_s > 0) {
    job.linger_until = std::chrono::steady_clock::now() + std::chrono::seconds{job.asked.linger_s};
    return ok();
  }
  return end(job, Done{job.asked.id, 0, 0});
}

/// The agent holds parts of files against the hashes of their pieces. Those of v2 come from peers, and go with the
/// torrent. A layer that cannot be kept is a part that nothing can be said of, and no failure of its own.
void Engine::keep_layers(TorrentJob& job) {
  if (!job.torrent || job.torrent->hashes.v1 || !job.choice_in_force || !job.handle.is_valid()) return;
  std::vector<std::vector<lt::sha256_hash>> layers;
  try {
    layers = job.handle.piece_layers();
  } catch (lt::system_error const&) {
    return;  // it is gone already
  }
  for (auto& file : job.files) {
    auto const at = static_cast<std::size_t>(static_cast<int>(file.engine_index));
    if (file.whole || at >= layers.size() || layers[at].size() < 2) continue;
    static_assert(sizeof(lt::sha256_hash) == 32);
    std::size_t const size = layers[at].size() * sizeof(lt::sha256_hash);
    auto const made = make_file(job.asked.folder + "/" + layer_name(file), O_TRUNC);
    file.layer_kept = made && ::write(made.number(), layers[at].data(), size) == static_cast<ssize_t>(size);
  }
}

/// After libtorrent has let go: files whose digests never came, and of a job that failed what lies there in part. Also
/// where the journal alone found no room: whoever takes them over syncs them, and hears of it where that fails.
Result<void> Engine::tell_left(TorrentJob& job, bool failed) {
  if (!job.torrent || !job.choice_in_force) return ok();
  if (auto const failure = arrivals_->broken(job.asked.folder); failure && failure->payload_unsure) return ok();
  for (auto& file : job.files) {
    auto const staged = staged_name(file);
    struct stat facts {};
    bool const something = ::lstat((job.asked.folder + "/" + staged).c_str(), &facts) == 0 && facts.st_blocks > 0;
    if (file.whole)
      IMPOUND_CHECK(tell_file(job, file));
    else if (failed && something)
      IMPOUND_CHECK(send(FilePart{job.asked.id, file.index, job.torrent->files[file.index].path_bytes, staged,
                                  file.layer_kept ? layer_name(file) : ""}));
  }
  return ok();
}

}  // namespace impound::fetchers
