// The message that a job is done: {"t":"done","job","downloaded","uploaded","read_back","rechecked","from_journal"}.
#pragma once

#include "fetchers/torrents/swarm_messages.h"

namespace impound::fetchers {

Frame frame_of_done(Done const& message);

/// Code::malformed for anything of another shape.
Result<FromWorker> done_from(Frame const& frame);

}  // namespace impound::fetchers
