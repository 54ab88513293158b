// The message that says whom a job asked, sent before its end: {"t":"tried","job","trackers":[[url, answers, failures,
// peers, last],…],"known","reached","lost"}.
#pragma once

#include "fetchers/torrents/swarm_messages.h"

namespace impound::fetchers {

Frame frame_of_tried(Tried const& message);

/// Code::malformed for anything of another shape, more than tried_trackers_max trackers, or a longer `last` than
/// tried_last_bytes_max.
Result<FromWorker> tried_from(Frame const& frame);

}  // namespace impound::fetchers
