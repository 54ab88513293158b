// STATE/agent.sock: where the agent that holds the vault hears orders of commands that must not open it a second time.
//
// A stream socket, 0660: who may reach it is the file system's word, and the peer's credentials (SO_PEERCRED,
// SO_PEERGROUPS) are looked at once more: the agent's own user, root, and members of the agent's group. Bounded: so
// many connections, a deadline for the first whole order, so much unsent; what does not keep to it is closed, and costs
// nobody else anything. Nothing blocks. One thread: the session's.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/service/control_messages.h"
#include "evidence/system/descriptor.h"
#include "evidence/system/frames.h"
#include "evidence/values/result.h"

namespace impound::agent {

/// Who is at the other end, as the kernel says.
struct ControlPeer {
  uid_t uid = 0;
  pid_t pid = 0;
};

class ControlSocket {
 public:
  /// Makes STATE/agent.sock anew: the caller holds the vault, so one that lies there is a dead agent's. The folder and
  /// the one above it may be passed through by the group then. `also`: a descriptor that shall wake who polls
  /// descriptor(), too.
  static Result<std::unique_ptr<ControlSocket>> listen(std::string const& state_folder, std::string const& command,
                                                       int also);
  ~ControlSocket();
  ControlSocket(ControlSocket const&) = delete;
  ControlSocket& operator=(ControlSocket const&) = delete;

  /// Readable when there is something to hear or to send, or `also` is readable.
  int descriptor() const { return epoll_.number(); }

  struct Heard {
    std::uint64_t connection = 0;
    ControlPeer peer;
    ControlHello hello;
    ControlOrder order;
  };
  /// Takes up who connects, sends what was left, and gives the whole orders that came. A hello is answered here.
  std::vector<Heard> hear();
  /// False once the other end is gone.
  bool there(std::uint64_t connection) const { return lines_.contains(connection); }
  /// Something that may be left out when the other end does not read: status.
  bool has_room(std::uint64_t connection) const;
  void answer(std::uint64_t connection, ControlAnswer const& answer);
  /// The last answer: done or failed.
  void end(std::uint64_t connection, ControlAnswer const& answer);

 private:
  struct Line {
    FrameLine line;
    ControlPeer peer;
    ControlHello hello{};
    bool greeted = false;
    bool ending = false;                               // closed once all is sent
    bool more = false;                                 // of what came, orders are left for the next hearing
    std::chrono::steady_clock::time_point deadline{};  // of the greeting, then of the last answer's leaving
    std::uint32_t events = EPOLLIN;                    // that it is polled for
  };
  ControlSocket(std::string path, std::string command) : path_(std::move(path)), command_(std::move(command)) {}
  void take_up();
  char const* refusal(std::optional<ControlPeer> const& peer) const;
  void hear_from(std::map<std::uint64_t, Line>::iterator at, std::vector<Heard>& heard);
  bool read_orders(std::uint64_t connection, Line& line, std::vector<Heard>& heard);
  void let_go(Line& line);
  void watch_for_room(std::uint64_t connection, Line& line);

  std::string path_;
  std::string command_;
  Descriptor epoll_;
  Descriptor listener_;
  std::map<std::uint64_t, Line> lines_;
  std::uint64_t next_ = 1;
};

/// The name of the socket in its folder.
inline constexpr char const* control_socket_name = "agent.sock";

}  // namespace impound::agent
