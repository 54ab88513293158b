// Looks up the names of peers that a magnet gives (x.pe, BEP 9) beside the engine: whoever wrote the magnet chose the
// name, and may have chosen one that its name server answers after half a minute.
//
// ask() and take() belong to the engine's thread; a few threads of its own do the waiting, and are left behind when the
// worker ends in the middle of a look-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace impound::fetchers {

class PeerNames {
 public:
  struct Found {
    std::string job;
    std::vector<std::string> addresses;  // literals, none when the name has none; at most 16
    std::uint16_t port = 0;
  };

  /// `wake_descriptor`: an eventfd that is written when something can be taken.
  explicit PeerNames(int wake_descriptor);
  ~PeerNames();

  /// Each is answered by one Found. False when too many wait already: then it is not looked up.
  bool ask(std::string job, std::string host, std::uint16_t port);
  std::vector<Found> take();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace impound::fetchers
