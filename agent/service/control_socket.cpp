#include "agent/service/control_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace impound::agent {

namespace {

constexpr std::size_t connections_max = 32;
constexpr std::ptrdiff_t connections_of_one_max = 8;  // of one user of the group: others want to be heard, too
constexpr std::size_t taken_up_at_a_time = 64;
constexpr std::size_t unsent_bytes_max = 4u << 20;
constexpr std::size_t unsent_bytes_status = 64u << 10;  // beyond, what may be left out is
constexpr std::chrono::seconds greeting_time{10};
constexpr std::chrono::seconds leaving_time{10};
constexpr std::size_t orders_at_a_time = 64;
constexpr std::uint64_t listener_key = 0;
constexpr std::uint64_t also_key = ~std::uint64_t{0};

std::optional<ControlPeer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  ControlPeer const peer{credentials.uid, credentials.pid};
  if (peer.uid == 0 || peer.uid == ::geteuid() || credentials.gid == ::getegid()) return peer;
  std::array<gid_t, 1'024> groups{};
  size = sizeof groups;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) return std::nullopt;
  auto const end = groups.begin() + static_cast<std::ptrdiff_t>(size / sizeof(gid_t));
  return std::find(groups.begin(), end, ::getegid()) != end ? std::optional{peer} : std::nullopt;
}

/// Who reaches the socket must pass through its folder; what lies there stays unreadable (0600).
void let_group_through(std::string const& folder) {
  struct stat facts {};
  if (::stat(folder.c_str(), &facts) == 0 && facts.st_uid == ::geteuid() && (facts.st_mode & 0777) == 0700)
    (void)::chmod(folder.c_str(), 0710);
}

bool watch(int epoll, int what, std::uint64_t key, std::uint32_t events, int how) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  return ::epoll_ctl(epoll, how, what, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::listen(std::string const& state_folder,
                                                             std::string const& command, int also) {
  std::string const path = state_folder + "/" + control_socket_name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{Code::usage, "the path of the agent's socket is longer than a socket's may be (107 bytes)", path,
                 "Set XDG_STATE_HOME to a shorter folder"};
  std::memcpy(address.sun_path, path.c_str(), path.size());
  std::unique_ptr<ControlSocket> socket{new ControlSocket(path, command)};
  socket->listener_ = Descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  socket->epoll_ = Descriptor{::epoll_create1(EPOLL_CLOEXEC)};
  if (!socket->listener_ || !socket->epoll_) return from_errno(errno, "cannot make the agent's socket", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return from_errno(errno, "cannot remove the socket of an earlier run", path);
  // Made for nobody (umask 077), opened to the group when it is whole.
  if (::bind(socket->listener_.number(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0)
    return from_errno(errno, "cannot make the agent's socket", path);
  if (::chmod(path.c_str(), 0660) != 0 || ::listen(socket->listener_.number(), 16) != 0)
    return from_errno(errno, "cannot open the agent's socket", path);
  let_group_through(state_folder);
  let_group_through(state_folder.substr(0, state_folder.rfind('/')));
  bool const watched = watch(socket->epoll_.number(), socket->listener_.number(), listener_key, EPOLLIN, EPOLL_CTL_ADD);
  if (!watched || (also >= 0 && !watch(socket->epoll_.number(), also, also_key, EPOLLIN, EPOLL_CTL_ADD)))
    return from_errno(errno, "cannot wait for the agent's socket", path);
  return socket;
}

ControlSocket::~ControlSocket() {
  if (listener_) (void)::unlink(path_.c_str());
}

/// Why whoever connects is not heard, or null.
char const* ControlSocket::refusal(std::optional<ControlPeer> const& peer) const {
  if (!peer) return "only members of the agent's group may order here";
  if (lines_.size() >= connections_max) return "too many commands are talking to it already";
  auto const own =
      std::count_if(lines_.begin(), lines_.end(), [&](auto const& line) { return line.second.peer.uid == peer->uid; });
  bool const foreign = peer->uid != 0 && peer->uid != ::geteuid();
  return foreign && own >= connections_of_one_max ? "too many commands of yours are talking to it already" : nullptr;
}

void ControlSocket::take_up() {
  for (std::size_t count = 0; count < taken_up_at_a_time; ++count) {
    Descriptor made{::accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!made) return;
    auto const peer = peer_of(made.number());
    std::uint64_t const connection = next_++;
    int const number = made.number();
    Line line{FrameLine{std::move(made), unsent_bytes_max}, peer.value_or(ControlPeer{})};
    if (char const* const why = refusal(peer); why != nullptr) {
      Error const refused{Code::held, std::string("the agent that holds the vault refuses: ") + why, {}, {}};
      (void)line.line.send(to_frame(ControlAnswer{FailedOrder{refused}}));
      continue;  // closed
    }
    line.deadline = std::chrono::steady_clock::now() + greeting_time;
    if (watch(epoll_.number(), number, connection, line.events, EPOLL_CTL_ADD))
      lines_.emplace(connection, std::move(line));
  }
}

std::vector<ControlSocket::Heard> ControlSocket::hear() {
  std::vector<Heard> heard;
  hear_from(lines_.begin(), heard);
  std::uint64_t const first_new = next_;
  take_up();  // after those that left, whose places are free now
  hear_from(lines_.lower_bound(first_new), heard);
  // Whose orders came with its end is gone: nobody hears what becomes of them, and they are carried out all the same.
  return heard;
}

void ControlSocket::hear_from(std::map<std::uint64_t, Line>::iterator at, std::vector<Heard>& heard) {
  auto const now = std::chrono::steady_clock::now();
  while (at != lines_.end()) {
    auto& [connection, line] = *at;
    bool const keep = line.line.flush() && read_orders(connection, line, heard) &&
                      ((line.greeted && !line.ending) || now < line.deadline) && !(line.ending && !line.line.unsent());
    if (keep) watch_for_room(connection, line);
    at = keep ? std::next(at) : lines_.erase(at);
  }
}

/// False: it is to be closed.
bool ControlSocket::read_orders(std::uint64_t connection, Line& line, std::vector<Heard>& heard) {
  if (line.ending) return true;
  line.more = false;
  bool received = false;
  for (std::size_t count = 0; count < orders_at_a_time;) {
    auto const frame = line.line.next();
    if (!frame) return false;
    if (!frame.value()) {
      // Only once all that came before is heard: whoever sends faster than we hear waits, and is not kept in memory.
      if (std::exchange(received, true)) return true;
      auto const open = line.line.receive();
      if (!open || !open.value()) return false;
      continue;
    }
    ++count;
    auto order = control_order_from(*frame.value());
    if (!order) {
      end(connection, FailedOrder{order.error()});
      return true;
    }
    auto const* const hello = std::get_if<ControlHello>(&order.value());
    if ((hello != nullptr) == line.greeted) return false;
    if (hello == nullptr) {
      heard.push_back({connection, line.peer, line.hello, std::move(order).value()});
      continue;
    }
    line.greeted = true;
    line.hello = *hello;
    if (hello->version != control_version) {
      end(connection, FailedOrder{Error{Code::held,
                                        "the agent that holds the vault is of another version",
                                        {},
                                        "Use the program that it was started from"}});
      return true;
    }
    ControlHello ours;
    ours.command = command_;
    answer(connection, ours);
  }
  line.more = true;
  return true;
}

bool ControlSocket::has_room(std::uint64_t connection) const {
  auto const found = lines_.find(connection);
  return found != lines_.end() && found->second.line.unsent_bytes() < unsent_bytes_status;
}

void ControlSocket::answer(std::uint64_t connection, ControlAnswer const& answer) {
  auto const found = lines_.find(connection);
  if (found == lines_.end()) return;
  // Who does not read what is said to it is closed soon.
  if (!found->second.line.send(to_frame(answer))) let_go(found->second);
  watch_for_room(connection, found->second);
}

void ControlSocket::let_go(Line& line) {
  if (!line.ending) line.deadline = std::chrono::steady_clock::now() + leaving_time;
  line.ending = true;
}

void ControlSocket::end(std::uint64_t connection, ControlAnswer const& last) {
  answer(connection, last);
  if (auto const found = lines_.find(connection); found != lines_.end()) let_go(found->second);
}

/// Woken when more can be sent, or heard of what came; with neither that would be always.
void ControlSocket::watch_for_room(std::uint64_t connection, Line& line) {
  std::uint32_t const events = line.ending ? EPOLLOUT : line.line.unsent() || line.more ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (events == line.events) return;
  line.events = events;
  watch(epoll_.number(), line.line.number(), connection, events, EPOLL_CTL_MOD);
}

}  // namespace impound::agent
