// The WARC records of a capture: of each hop that was answered its request, its response and a metadata record that
// says more of it; the server's certificates once a file.
//
//     request, metadata   WARC-Concurrent-To the response
//     response            the bytes as they came; WARC-Payload-Digest where there was no transfer coding
//     metadata            application/json, canonical, with these keys:
//         attempt, started_utc, ended_utc, status, http_version, body_bytes, body_sha256
//         remote_ip?, remote_port?, resolved_by?, truncated?, failed?
//         interim_heads_bytes?   of 1xx heads, which are in no record
//         reconstructed?         HTTP/2: the blocks are no bytes of the wire
//         tls?                   certificates (SHA-256 of DER, the server's own first), chain, cipher, protocol,
//                                problem? (why the certificate is not trusted)
//                         The last one ends the capture (evidence/warc/capture_end.h).
//     resource            application/pem-certificate-chain, named by its digest (RFC 6920): the `chain` of metadata,
//                         in the same file at or before the capture. Gap: an erasure of the capture that brought it
//                         takes it from those behind it; they keep the certificates' digests.
//
// Bodies are not copied: the hops must be there until it is packed. Any thread, beside others; errors: pack()'s.
#pragma once

#include <vector>

#include "evidence/formats/canonical_json.h"
#include "evidence/system/randomness.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/result.h"
#include "evidence/warc/packing.h"
#include "fetchers/http/exchange.h"

namespace impound::agent {

/// `digests`: of each hop's body (capture_result.h). `result`: the body of the capture.result, without its records. No
/// records when no hop was answered.
Result<evidence::PackedCapture> pack_capture(std::vector<fetchers::Exchange> const& hops,
                                             std::vector<Sha256> const& digests, EntryId const& attempt,
                                             Json const& result, Randomness& randomness);

/// Adds http_version and tls of an exchange, as metadata and capture.result have them.
void add_connection(Json& body, fetchers::Exchange const& hop);

}  // namespace impound::agent
