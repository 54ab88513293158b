// What is told of a file: that it is whole, how far it is, or that it lies there in part and will never be whole.
//
//     {"t":"file_done","job","index","size","path","staged","sha256"}     sha256: hex, or "" where none was taken
//     {"t":"file_reached","job","index","bytes","staged"}
//     {"t":"file_part","job","index","path","staged","layer"}   layer: as staged, or "" where there is none
#pragma once

#include "fetchers/torrents/swarm_messages.h"

namespace impound::fetchers {

Frame frame_of_file_done(FileDone const& message);
Frame frame_of_file_reached(FileReached const& message);
Frame frame_of_file_part(FilePart const& message);

/// Code::malformed for anything of another shape.
Result<FromWorker> file_done_from(Frame const& frame);
Result<FromWorker> file_reached_from(Frame const& frame);
Result<FromWorker> file_part_from(Frame const& frame);

}  // namespace impound::fetchers
