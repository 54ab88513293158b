// The message that says which files of a torrent are taken: {"t":"choose","job","files":count,"wanted":bits}, eight
// files a byte, the first in its lowest bit. A list of flags would not fit a frame's 16,384 items.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fetchers/torrents/swarm_messages.h"

namespace impound::fetchers {

/// Eight flags a byte, and back: the last byte's free flags are false.
std::string bits_of(std::vector<bool> const& flags);
std::vector<bool> flags_of(std::string_view bits);

Frame frame_of_choice(ChooseFiles const& message);

/// Code::malformed when count and bits do not fit together, or a bit beyond the last file is set.
Result<ToWorker> choice_from(Frame const& frame);

}  // namespace impound::fetchers
