// The message that a job's swarm record lies there: {"t":"record","job","staged","bytes"}, just before its end.
#pragma once

#include "fetchers/torrents/swarm_messages.h"

namespace impound::fetchers {

Frame frame_of_record(SwarmRecord const& message);

/// Code::malformed for anything of another shape, or a record that is longer than one may be.
Result<FromWorker> record_from(Frame const& frame);

}  // namespace impound::fetchers
