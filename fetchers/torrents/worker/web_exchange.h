// One exchange with a web seed, as values: what the swarm record keeps of it. The body went to the torrent, or nowhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evidence/values/digest.h"

namespace impound::fetchers {

struct WebExchange {
  std::string web_seed;                 // its URL, as the torrent or magnet has it
  std::string url;                      // as asked for: a redirect is an exchange of its own
  std::optional<std::uint64_t> file{};  // in Metainfo.files; absent with BEP 17
  std::uint64_t first = 0;              // the bytes asked for: of the file, with BEP 17 of the torrent
  std::uint64_t last = 0;
  std::int64_t started_us = 0, ended_us = 0;  // UTC
  int status = 0;                             // 0: no answer
  std::uint64_t bytes = 0;                    // of the body, as received
  std::optional<Sha256> head_sha256{};        // status line and headers, as received
  std::string address{};                      // of the connection; "" where a proxy found it
  std::uint16_t port = 0;
  std::string tls_protocol{};               // "TLSv1.3"; "" for http
  std::vector<std::string> certificates{};  // DER, the server's own first
  std::string outcome{};                    // why it ended early or is of no use; "" for a good one
};

}  // namespace impound::fetchers
