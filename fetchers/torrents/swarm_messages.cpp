#include "fetchers/torrents/swarm_messages.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "evidence/formats/hex.h"
#include "fetchers/torrents/done_message.h"
#include "fetchers/torrents/file_choice.h"
#include "fetchers/torrents/file_messages.h"
#include "fetchers/torrents/record_message.h"
#include "fetchers/torrents/tried_message.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t path_bytes_max = 4'096;

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;  // clang 16 does not deduce it for aggregates

Error malformed(std::string what) { return Error{Code::malformed, "a worker's message is malformed: " + what, {}, {}}; }

/// At most as many fields as the kind has: an unknown one is as wrong as a missing one.
Result<void> only_fields(Frame const& frame, std::size_t count) {
  if (frame.size() > count) return malformed("a field too many");
  return ok();
}

Result<std::optional<std::uint64_t>> optional_number(Frame const& frame, char const* key) {
  if (!frame.contains(key)) return std::optional<std::uint64_t>{};
  IMPOUND_TRY(number, frame_number(frame, key));
  return std::optional{number};
}

template <class HashType>
Result<std::optional<HashType>> optional_hash(Frame const& frame, char const* key) {
  if (!frame.contains(key)) return std::optional<HashType>{};
  IMPOUND_TRY(bytes, frame_bytes(frame, key));
  if (bytes.size() != HashType::size) return malformed("an info-hash of the wrong length");
  HashType hash;
  for (std::size_t i = 0; i < bytes.size(); ++i) hash.bytes[i] = static_cast<std::byte>(bytes[i]);
  return std::optional{hash};
}

template <class HashType>
Frame hash_value(HashType const& hash) {
  return bytes_value({reinterpret_cast<char const*>(hash.bytes.data()), hash.bytes.size()});
}

Result<std::uint16_t> port_from(Frame const& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<std::uint16_t>::max()) {
    return malformed("a port");
  }
  return value.get<std::uint16_t>();
}

Result<Frame const*> list_at(Frame const& frame, char const* key) {
  auto const found = frame.find(key);
  if (found == frame.end() || !found->is_array()) return malformed(std::string{"the list '"} + key + "'");
  return &*found;
}

bool two_texts_first(Frame const& row, std::size_t at_most) {
  return row.is_array() && row.size() >= 2 && row.size() <= at_most && row[0].is_string() && row[1].is_string();
}

Frame configure_frame(Configure const& message) {
  Frame frame{{"t", "configure"},
              {"agent", message.user_agent},
              {"blocked", Frame::array()},
              {"allowed", Frame::array()},
              {"metadata_bytes_max", message.limits.metadata_bytes_max},
              {"torrent_bytes_max", message.limits.torrent_bytes_max},
              {"files_max", message.limits.files_max}};
  if (message.limits.payload_bytes_max) frame["payload_bytes_max"] = *message.limits.payload_bytes_max;
  add_way_out(frame, message.way_out);
  for (auto const& rule : message.blocked) frame["blocked"].push_back(Frame::array({rule.first, rule.last}));
  for (auto const& rule : message.allowed) {
    Frame row = Frame::array({rule.first, rule.last});
    if (rule.port) row.push_back(*rule.port);
    frame["allowed"].push_back(std::move(row));
  }
  return frame;
}

Result<ToWorker> configure_from(Frame const& frame) {
  std::size_t ways = 0;
  IMPOUND_TRY(way_out, way_out_from(frame, ways));
  IMPOUND_CHECK(only_fields(frame, 8 + ways));
  Configure message;
  IMPOUND_TRY(agent, frame_text(frame, "agent"));
  IMPOUND_TRY(metadata_bytes_max, frame_number(frame, "metadata_bytes_max"));
  IMPOUND_TRY(torrent_bytes_max, frame_number(frame, "torrent_bytes_max"));
  IMPOUND_TRY(files_max, frame_number(frame, "files_max"));
  IMPOUND_TRY(payload_bytes_max, optional_number(frame, "payload_bytes_max"));
  IMPOUND_TRY(blocked, list_at(frame, "blocked"));
  IMPOUND_TRY(allowed, list_at(frame, "allowed"));
  for (auto const& row : *blocked) {
    if (!two_texts_first(row, 2)) return malformed("an address rule");
    message.blocked.push_back({row[0].get<std::string>(), row[1].get<std::string>()});
  }
  for (auto const& row : *allowed) {
    if (!two_texts_first(row, 3)) return malformed("an allowed endpoint");
    AllowedEndpoint endpoint{row[0].get<std::string>(), row[1].get<std::string>(), std::nullopt};
    if (row.size() == 3) {
      IMPOUND_TRY(port, port_from(row[2]));
      endpoint.port = port;
    }
    message.allowed.push_back(std::move(endpoint));
  }
  message.way_out = std::move(way_out);
  message.user_agent = std::move(agent);
  message.limits = {metadata_bytes_max, torrent_bytes_max, files_max, payload_bytes_max};
  return ToWorker{std::move(message)};
}

Frame add_frame(AddJob const& message) {
  SwarmJob const& job = message.job;
  Frame frame{{"t", "add"},
              {"job", job.id},
              {"folder", job.folder},
              {"metadata_only", job.metadata_only},
              {"with_torrent", message.with_torrent},
              {"linger_s", job.linger_s},
              {"choose_files", job.choose_files},
              {"left", bytes_value(bits_of(job.left))},
              {"trackers", Frame::array()},
              {"peers", Frame::array()},
              {"web_seeds", Frame::array()}};
  if (job.hashes.v1) frame["v1"] = hash_value(*job.hashes.v1);
  if (job.hashes.v2) frame["v2"] = hash_value(*job.hashes.v2);
  if (job.metadata_timeout_s) frame["metadata_s"] = *job.metadata_timeout_s;
  if (job.idle_timeout_s) frame["idle_s"] = *job.idle_timeout_s;
  for (auto const& tracker : job.trackers) frame["trackers"].push_back(bytes_value(tracker));
  for (auto const& peer : job.peers) {
    frame["peers"].push_back(Frame::array({peer.ip, peer.port, peer.named_by_operator}));
  }
  for (auto const& seed : job.web_seeds) {
    frame["web_seeds"].push_back(Frame::array({bytes_value(seed.url), seed.by_ranges}));
  }
  return frame;
}

Result<void> lists_of_add(Frame const& frame, SwarmJob& job) {
  IMPOUND_TRY(trackers, list_at(frame, "trackers"));
  IMPOUND_TRY(peers, list_at(frame, "peers"));
  IMPOUND_TRY(web_seeds, list_at(frame, "web_seeds"));
  for (auto const& row : *web_seeds) {
    if (!row.is_array() || row.size() != 2 || !row[0].is_binary() || !row[1].is_boolean())
      return malformed("a web seed");
    auto const& url = row[0].get_binary();
    job.web_seeds.push_back({{url.begin(), url.end()}, row[1].get<bool>()});
  }
  for (auto const& tracker : *trackers) {
    if (!tracker.is_binary()) return malformed("a tracker");
    auto const& bytes = tracker.get_binary();
    job.trackers.emplace_back(bytes.begin(), bytes.end());
  }
  for (auto const& row : *peers) {
    if (!row.is_array() || row.size() != 3 || !row[0].is_string() || !row[2].is_boolean()) return malformed("a peer");
    IMPOUND_TRY(port, port_from(row[1]));
    job.peers.push_back({row[0].get<std::string>(), port, row[2].get<bool>()});
  }
  return ok();
}

Result<ToWorker> add_from(Frame const& frame) {
  IMPOUND_CHECK(only_fields(frame, 15));
  AddJob message;
  SwarmJob& job = message.job;
  IMPOUND_TRY(id, frame_text(frame, "job"));
  IMPOUND_TRY(folder, frame_text(frame, "folder"));
  IMPOUND_TRY(metadata_only, frame_flag(frame, "metadata_only"));
  IMPOUND_TRY(with_torrent, frame_flag(frame, "with_torrent"));
  IMPOUND_TRY(linger, frame_number(frame, "linger_s"));
  IMPOUND_TRY(choose_files, frame_flag(frame, "choose_files"));
  IMPOUND_TRY(left, frame_bytes(frame, "left"));
  IMPOUND_TRY(v1, optional_hash<InfoHashV1>(frame, "v1"));
  IMPOUND_TRY(v2, optional_hash<InfoHashV2>(frame, "v2"));
  IMPOUND_TRY(metadata_timeout, optional_number(frame, "metadata_s"));
  IMPOUND_TRY(idle_timeout, optional_number(frame, "idle_s"));
  if (!plain_name(id) || !plain_name(folder)) return malformed("a job's name");
  IMPOUND_CHECK(lists_of_add(frame, job));
  job.id = std::move(id);
  job.folder = std::move(folder);
  job.metadata_only = metadata_only;
  job.linger_s = linger;
  job.choose_files = choose_files;
  job.left = flags_of(left);
  job.hashes = {v1, v2};
  job.metadata_timeout_s = metadata_timeout;
  job.idle_timeout_s = idle_timeout;
  message.with_torrent = with_torrent;
  return ToWorker{std::move(message)};
}

Frame chunk_frame(char const* type, std::string const& job, std::uint64_t total, std::uint64_t at,
                  std::string const& bytes) {
  return {{"t", type}, {"job", job}, {"total", total}, {"at", at}, {"bytes", bytes_value(bytes)}};
}

template <class Chunk>
Result<Chunk> chunk_from(Frame const& frame) {
  IMPOUND_CHECK(only_fields(frame, 5));
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(total, frame_number(frame, "total"));
  IMPOUND_TRY(at, frame_number(frame, "at"));
  IMPOUND_TRY(bytes, frame_bytes(frame, "bytes"));
  return Chunk{std::move(job), total, at, std::move(bytes)};
}

template <class Named>
Result<ToWorker> named_from(Frame const& frame) {
  IMPOUND_CHECK(only_fields(frame, 2));
  IMPOUND_TRY(job, frame_text(frame, "job"));
  return ToWorker{Named{std::move(job)}};
}

Result<FromWorker> progress_from(Frame const& frame) {
  static constexpr std::array<std::string_view, 5> states{"metadata", "checking", "downloading", "finished", "paused"};
  IMPOUND_CHECK(only_fields(frame, 9));
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(state, frame_text(frame, "state"));
  IMPOUND_TRY(downloaded, frame_number(frame, "downloaded"));
  IMPOUND_TRY(total, frame_number(frame, "total"));
  IMPOUND_TRY(rate, frame_number(frame, "rate"));
  IMPOUND_TRY(peers, frame_number(frame, "peers"));
  IMPOUND_TRY(seeds, frame_number(frame, "seeds"));
  IMPOUND_TRY(web_seeds, frame_number(frame, "web_seeds"));
  if (std::find(states.begin(), states.end(), state) == states.end()) return malformed("an unknown state");
  return FromWorker{Progress{std::move(job), std::move(state), downloaded, total, rate, peers, seeds, web_seeds}};
}

Result<FromWorker> failed_from(Frame const& frame) {
  IMPOUND_CHECK(only_fields(frame, 6));
  IMPOUND_TRY(job, frame_text(frame, "job"));
  IMPOUND_TRY(reason, frame_text(frame, "reason"));
  IMPOUND_TRY(detail, frame_text(frame, "detail"));
  IMPOUND_TRY(downloaded, frame_number(frame, "downloaded"));
  IMPOUND_TRY(uploaded, frame_number(frame, "uploaded"));
  if (!known_swarm_reason(reason)) return malformed("an unknown reason");
  return FromWorker{Failed{std::move(job), std::move(reason), std::move(detail), downloaded, uploaded}};
}

Result<FromWorker> hello_from(Frame const& frame) {
  IMPOUND_CHECK(only_fields(frame, 3));
  IMPOUND_TRY(version, frame_number(frame, "version"));
  IMPOUND_TRY(engine, frame_text(frame, "engine"));
  return FromWorker{Hello{version, std::move(engine)}};
}

}  // namespace

bool known_swarm_reason(std::string_view reason) {
  static constexpr std::array<std::string_view, 9> reasons{"no_peers",       "no_metadata",  "metadata_refused",
                                                           "refused_limits", "disk_full",    "hash_failures",
                                                           "deadline",       "worker_ended", "cancelled"};
  return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
}

bool plain_name(std::string_view name) {
  if (name.empty() || name.size() > 128 || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

bool safe_relative_path(std::string_view path) {
  if (path.empty() || path.size() > path_bytes_max || path.find('\0') != std::string_view::npos) return false;
  std::size_t at = 0;
  while (true) {
    std::size_t const slash = path.find('/', at);
    auto const part = path.substr(at, slash == std::string_view::npos ? std::string_view::npos : slash - at);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    at = slash + 1;
  }
}

Frame to_frame(ToWorker const& message) {
  return std::visit(Overloaded{
                        [](Configure const& m) { return configure_frame(m); },
                        [](TorrentChunk const& m) { return chunk_frame("torrent", m.job, m.total, m.at, m.bytes); },
                        [](AddJob const& m) { return add_frame(m); },
                        [](ChooseFiles const& m) { return frame_of_choice(m); },
                        [](PauseJob const& m) {
                          return Frame{{"t", "pause"}, {"job", m.job}};
                        },
                        [](ResumeJob const& m) {
                          return Frame{{"t", "resume"}, {"job", m.job}};
                        },
                        [](RemoveJob const& m) {
                          return Frame{{"t", "remove"}, {"job", m.job}};
                        },
                        [](StopWorker const&) {
                          return Frame{{"t", "stop"}};
                        },
                    },
                    message);
}

Frame to_frame(FromWorker const& message) {
  return std::visit(
      Overloaded{
          [](Hello const& m) {
            return Frame{{"t", "hello"}, {"version", m.version}, {"engine", m.engine}};
          },
          [](Alive const&) {
            return Frame{{"t", "alive"}};
          },
          [](MetadataChunk const& m) { return chunk_frame("metadata", m.job, m.total, m.at, m.bytes); },
          [](Progress const& m) {
            return Frame{{"t", "progress"},         {"job", m.job},   {"state", m.state}, {"downloaded", m.downloaded},
                         {"total", m.total},        {"rate", m.rate}, {"peers", m.peers}, {"seeds", m.seeds},
                         {"web_seeds", m.web_seeds}};
          },
          [](FileDone const& m) { return frame_of_file_done(m); },
          [](FileReached const& m) { return frame_of_file_reached(m); },
          [](FilePart const& m) { return frame_of_file_part(m); },
          [](Tried const& m) { return frame_of_tried(m); },
          [](SwarmRecord const& m) { return frame_of_record(m); },
          [](Done const& m) { return frame_of_done(m); },
          [](Failed const& m) {
            return Frame{{"t", "failed"},
                         {"job", m.job},
                         {"reason", m.reason},
                         {"detail", m.detail},
                         {"downloaded", m.downloaded},
                         {"uploaded", m.uploaded}};
          },
          [](Incident const& m) {
            return Frame{{"t", "incident"}, {"sent_payload_bytes", m.sent_payload_bytes}};
          },
      },
      message);
}

Result<ToWorker> to_worker_from(Frame const& frame) {
  IMPOUND_TRY(type, frame_text(frame, "t"));
  if (type == "configure") return configure_from(frame);
  if (type == "torrent") {
    IMPOUND_TRY(chunk, chunk_from<TorrentChunk>(frame));
    return ToWorker{std::move(chunk)};
  }
  if (type == "add") return add_from(frame);
  if (type == "choose") return choice_from(frame);
  if (type == "pause") return named_from<PauseJob>(frame);
  if (type == "resume") return named_from<ResumeJob>(frame);
  if (type == "remove") return named_from<RemoveJob>(frame);
  if (type == "stop") return ToWorker{StopWorker{}};
  return malformed("of an unknown type");
}

Result<FromWorker> from_worker_from(Frame const& frame) {
  IMPOUND_TRY(type, frame_text(frame, "t"));
  if (type == "hello") return hello_from(frame);
  if (type == "alive") {
    IMPOUND_CHECK(only_fields(frame, 1));
    return FromWorker{Alive{}};
  }
  if (type == "metadata") {
    IMPOUND_TRY(chunk, chunk_from<MetadataChunk>(frame));
    return FromWorker{std::move(chunk)};
  }
  if (type == "progress") return progress_from(frame);
  if (type == "file_done") return file_done_from(frame);
  if (type == "file_reached") return file_reached_from(frame);
  if (type == "file_part") return file_part_from(frame);
  if (type == "tried") return tried_from(frame);
  if (type == "record") return record_from(frame);
  if (type == "done") return done_from(frame);
  if (type == "failed") return failed_from(frame);
  if (type == "incident") {
    IMPOUND_CHECK(only_fields(frame, 2));
    IMPOUND_TRY(sent, frame_number(frame, "sent_payload_bytes"));
    return FromWorker{Incident{sent}};
  }
  return malformed("of an unknown type");
}

}  // namespace impound::fetchers
