// What a capture says in the log, from the hops that came of it: capture.attempt before, capture.result after. Shared
// by who captures one by one and by who captures many at once. Any thread, beside others; no errors.
#pragma once

#include <vector>

#include "agent/work/capture.h"
#include "agent/work/routes.h"
#include "evidence/custody_entry.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/values/digest.h"
#include "evidence/values/entry_id.h"
#include "evidence/warc/record.h"
#include "fetchers/http/exchange.h"

namespace impound::agent {

/// The last hop that was answered, or null: a redirect to where we may not go is kept as far as it went.
fetchers::Exchange const* last_answer(std::vector<fetchers::Exchange> const& hops);

/// Of the last hop; usable when it is a whole answer with status 200.
Captured judged(std::vector<fetchers::Exchange> const& hops);

evidence::EntryDraft attempt_draft(CaptureOrder const& order, Route const& route);

/// Of each hop's body, transfer coding undone: hashed once for all that name it.
std::vector<Sha256> body_digests(std::vector<fetchers::Exchange> const& hops);

/// The body of the capture.result, without its records. `digests`: body_digests() of the hops.
Json result_body(CaptureOrder const& order, std::vector<fetchers::Exchange> const& hops,
                 std::vector<Sha256> const& digests, Captured const& captured, bool kept);
evidence::EntryDraft result_draft(CaptureOrder const& order, EntryId const& attempt, Json body);

/// What of a result's body may stand in WARC: names of people and things only in the log.
Json told_in_warc(Json body);

/// The `records` of a result's body.
Json records_json(std::vector<evidence::WrittenRecord> const& written);

}  // namespace impound::agent
