// What crosses the line between the agent and impound-swarm-worker: values only, payload never.
//
//     to the worker                                        from the worker
//     configure {blocked, allowed, limits, …}   once       hello {version}                       first
//     torrent   {job, total, at, bytes}         chunks     metadata {job, total, at, bytes}      chunks, then
//     add       {job, hashes, trackers, peers, …}          progress {job, state, …}              at most 2 a second
//     choose {job, wanted}                       once      alive {}                              twice a second
//     pause, resume, remove {job}                          file_done {job, index, size, …}       one a file
//                                                          file_reached {job, index, bytes, …}   of large ones
//                                                          file_part {job, index, …}             before failed
//                                                          tried {job, trackers, …}              before the end
//                                                          record {job, staged, bytes}           the same
//     stop {}                                              done {job, …} or failed {job, reason, …}
//                                                          incident {sent_payload_bytes}         and the worker ends
//
// Both sides use the functions here, so a message has one shape in one place. Nothing read here is trusted: texts are
// UTF-8 and bounded by the frame, numbers below 2^53; whether a job is known or a digest right is judged by the reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "evidence/system/frames.h"
#include "evidence/values/info_hash.h"
#include "evidence/values/result.h"
#include "fetchers/torrents/way_out.h"

namespace impound::fetchers {

/// Both sides of the line must be of one build: a worker with another number is ended.
constexpr std::uint64_t swarm_protocol_version = 5;

struct PeerAddress {
  std::string ip;  // a literal; from content also a name, which the worker looks up where there is no proxy
  std::uint16_t port = 0;
  bool named_by_operator = false;  // --peer: exempt from the address policy for exactly this address and port
  bool operator==(PeerAddress const&) const = default;
};

/// First to last address of a range that content may not make us contact; both of one family.
struct AddressRule {
  std::string first;
  std::string last;
};

/// What the operator opened (--allow-net): wins over AddressRule.
struct AllowedEndpoint {
  std::string first;
  std::string last;
  std::optional<std::uint16_t> port;
};

struct SwarmLimits {
  std::uint64_t metadata_bytes_max = 8u << 20;
  std::uint64_t torrent_bytes_max = 10u << 20;
  std::uint64_t files_max = 100'000;
  std::optional<std::uint64_t> payload_bytes_max;  // of one torrent
};

/// An HTTP server that has the payload, as content names it.
struct WebSeed {
  std::string url;         // of BEP 19 also a part of one, which needs the others to be read
  bool by_ranges = false;  // BEP 17: a script that is asked for pieces
  bool operator==(WebSeed const&) const = default;
};

struct SwarmJob {
  std::string id;                      // [A-Za-z0-9._-]{1,128}, not beginning with '.'
  InfoHashes hashes;                   // at least one
  std::optional<std::string> torrent;  // the bytes of a .torrent
  std::vector<std::string> trackers;
  std::vector<PeerAddress> peers;
  bool metadata_only = false;
  std::string folder;  // under the staging folder; named as an id is
  std::optional<std::uint64_t> metadata_timeout_s;
  std::optional<std::uint64_t> idle_timeout_s;  // without a new byte
  std::uint64_t linger_s = 0;                   // stays as a finished seed for so long before Done
  bool choose_files = false;                    // no payload before ChooseFiles says of which files
  std::vector<WebSeed> web_seeds{};
  std::vector<bool> left{};  // of its files, padding not counted: taken out of the folder by the agent, whole
};

// --- to the worker
struct Configure {
  std::vector<AddressRule> blocked;
  std::vector<AllowedEndpoint> allowed;
  std::string user_agent;
  SwarmLimits limits;
  WayOut way_out{};
};
struct TorrentChunk {
  std::string job;
  std::uint64_t total = 0;
  std::uint64_t at = 0;
  std::string bytes;
};
struct AddJob {
  SwarmJob job;               // without the torrent's bytes
  bool with_torrent = false;  // they were sent before, in chunks
};
/// Answers the metadata of a job with choose_files, once: a flag for each of Metainfo.files. Its payload begins here.
struct ChooseFiles {
  std::string job;
  std::vector<bool> wanted;
};
struct PauseJob {
  std::string job;
};
struct ResumeJob {
  std::string job;
};
struct RemoveJob {
  std::string job;
};
struct StopWorker {};
using ToWorker = std::variant<Configure, TorrentChunk, AddJob, ChooseFiles, PauseJob, ResumeJob, RemoveJob, StopWorker>;

// --- from the worker
struct Hello {
  std::uint64_t version = 0;
  std::string engine;  // "libtorrent 2.0.8.0"
};
/// Nothing but that it still runs: what says nothing for long is ended.
struct Alive {};
struct MetadataChunk {
  std::string job;
  std::uint64_t total = 0;
  std::uint64_t at = 0;
  std::string bytes;
};
struct Progress {
  std::string job;
  std::string state;             // metadata checking downloading finished paused
  std::uint64_t downloaded = 0;  // bytes of the torrent that are there and verified or in flight
  std::uint64_t total = 0;       // 0 before the metadata
  std::uint64_t rate = 0;        // payload bytes a second
  std::uint64_t peers = 0;
  std::uint64_t seeds = 0;
  std::uint64_t web_seeds = 0;  // that give something now, or are asked for it
};
struct FileDone {
  std::string job;
  std::uint64_t index = 0;  // in Metainfo.files
  std::uint64_t size = 0;
  std::string path_bytes;          // as the torrent has it
  std::string staged_path;         // relative to the job's folder
  std::optional<Sha256> sha256{};  // as the bytes arrived
};
/// So many bytes of a file are there and verified, from its beginning: they may be read while the rest comes.
struct FileReached {
  std::string job;
  std::uint64_t index = 0;  // in Metainfo.files
  std::uint64_t bytes = 0;
  std::string staged_path;
};
/// A file that never became whole, and of which something lies there: told before Failed.
struct FilePart {
  std::string job;
  std::uint64_t index = 0;  // in Metainfo.files
  std::string path_bytes;
  std::string staged_path;
  std::string layer_path{};  // v2 alone: where the hashes of its pieces lie, 32 bytes each; "" for nowhere
};
struct Done {
  std::string job;
  std::uint64_t downloaded_payload = 0;
  std::uint64_t uploaded_payload = 0;
  // Of this worker so far, all jobs together.
  std::uint64_t pieces_read_back{};     // to hash them, though they had just come
  std::uint64_t pieces_rechecked{};     // left by an earlier worker, and not in its journal
  std::uint64_t pieces_from_journal{};  // left by an earlier worker, and not read
};
struct Failed {
  std::string job;
  std::string reason;  // one of swarm_reasons
  std::string detail;  // for the operator; may be empty
  std::uint64_t downloaded = 0;
  std::uint64_t uploaded = 0;
};
/// Whom a job asked and what came of it; told just before its Done or Failed.
constexpr std::size_t tried_trackers_max = 50;
constexpr std::size_t tried_last_bytes_max = 200;
struct TriedTracker {
  std::string url;             // bytes, as handed over
  std::uint64_t answers = 0;   // announces that were answered
  std::uint64_t failures = 0;  // and those that were not, or with an error
  std::uint64_t peers = 0;     // the most that one answer named
  std::string last;            // what came of the last one; "" when none was sent
};
constexpr std::size_t tried_web_seeds_max = 20;
struct TriedWebSeed {
  std::string url;             // bytes; of a part of a URL with the host it was asked of
  std::uint64_t pieces = 0;    // that passed
  std::uint64_t bytes = 0;     // of these
  std::uint64_t failures = 0;  // requests that gave nothing, and pieces that did not hash
  std::string last;            // what is wrong with it; "" for nothing
};
struct Tried {
  std::string job;
  std::vector<TriedTracker> trackers;
  std::vector<TriedWebSeed> web_seeds;  // that were asked
  std::uint64_t peers_known = 0;    // addresses, the most at one time
  std::uint64_t peers_reached = 0;  // connections made
  std::uint64_t peers_lost = 0;     // connections, or tries to make one, that ended
  bool dht = false;                 // it was asked
  std::uint64_t dht_peers = 0;      // the most that one search found
};
/// A job's swarm record (swarm_record.h) lies there, and nothing more comes to it; told just before its Done or Failed.
struct SwarmRecord {
  std::string job;
  std::string staged_path;  // relative to the job's folder
  std::uint64_t bytes = 0;
};
struct Incident {
  std::uint64_t sent_payload_bytes = 0;
};
using FromWorker = std::variant<Hello, Alive, MetadataChunk, Progress, FileDone, FileReached, FilePart, Tried,
                                SwarmRecord, Done, Failed, Incident>;

/// no_peers no_metadata metadata_refused refused_limits disk_full hash_failures deadline worker_ended cancelled
bool known_swarm_reason(std::string_view reason);
/// [A-Za-z0-9._-]{1,128}, not beginning with '.': safe as the name of a folder.
bool plain_name(std::string_view name);
/// Relative, without empty, "." or ".." components, NUL, or more than 4,096 bytes.
bool safe_relative_path(std::string_view path);

Frame to_frame(ToWorker const& message);
Frame to_frame(FromWorker const& message);
Result<ToWorker> to_worker_from(Frame const& frame);
Result<FromWorker> from_worker_from(Frame const& frame);

}  // namespace impound::fetchers
