// What the disk back end refuses, whoever asks.
#include <doctest/doctest.h>

#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/performance_counters.hpp>
#include <libtorrent/settings_pack.hpp>

#include "fetchers/torrents/worker/arrival_disk.h"
#include "tests/support/simulated_disk.h"

using namespace impound;
using namespace impound::fetchers;

TEST_CASE("P3: the disk back end gives no byte to a peer, and counts who asked") {
  lt::io_context context;
  lt::settings_pack const settings;
  lt::counters counters;
  auto const arrivals = std::make_shared<Arrivals>();
  auto const back_end =
      arrival_disk(std::make_shared<SimulatedDisk>(), {.files_max = 100}, arrivals)(context, settings, counters);
  bool answered = false;
  back_end->async_read(lt::storage_index_t{0}, lt::peer_request{lt::piece_index_t{0}, 0, 16'384},
                       [&](lt::disk_buffer_holder buffer, lt::storage_error const& error) {
                         answered = true;
                         CHECK(!buffer);
                         CHECK(bool(error));
                       });
  context.run();
  CHECK(answered);
  CHECK(arrivals->counters().reads_refused == 1);
}
