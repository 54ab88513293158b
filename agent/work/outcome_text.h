// One acquisition's outcome as a person reads it: what is sealed, what is missing and why.
#pragma once

#include <string>

#include "agent/service/terminal.h"
#include "agent/work/acquisition.h"
#include "evidence/formats/hex.h"

namespace impound::agent {

/// The hash to show something by: v1 where there is one, else v2.
inline std::string short_hash(InfoHashes const& hashes) {
  return hashes.v1 ? hex(*hashes.v1) : hashes.v2 ? hex(*hashes.v2) : "?";
}

/// The protocol's words as sentences.
inline std::string reason_text(std::string const& reason) {
  if (reason == "no_peers") return "no peer could be found or reached";
  if (reason == "no_metadata") return "no peer gave the metadata in time";
  if (reason == "metadata_refused") return "the metadata is not what the info-hash names, or not well-formed";
  if (reason == "refused_limits") return "a limit of the settings refuses it";
  if (reason == "disk_full") return "no space left";
  if (reason == "hash_failures") return "what the peers send does not match the torrent's hashes";
  if (reason == "deadline") return "no new byte within the timeout";
  if (reason == "worker_ended") return "the swarm worker ended";
  if (reason == "cancelled") return "cancelled";
  return reason;
}

inline std::string outcome_text(AcquisitionOutcome const& outcome) {
  std::string text =
      outcome.state + "  " + (outcome.name.empty() ? short_hash(outcome.hashes) : shown(outcome.name, 60)) + ": ";
  if (outcome.state == "metadata_only")
    text += "metadata sealed, payload not asked for";
  else
    text += std::to_string(outcome.files_sealed) + " of " + std::to_string(outcome.files) + " file(s) sealed, " +
            bytes_text(outcome.bytes_sealed) + "; uploaded " + std::to_string(outcome.uploaded_payload_bytes) +
            " payload bytes";
  if (outcome.files_left_out > 0) text += "; " + std::to_string(outcome.files_left_out) + " left out by the selection";
  if (!outcome.reason.empty()) text += "; " + reason_text(outcome.reason);
  return text;
}

}  // namespace impound::agent
