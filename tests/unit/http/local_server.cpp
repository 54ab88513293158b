#include "tests/unit/http/local_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace impound::fetchers {

namespace {

constexpr int patience_ms = 20'000;

bool readable(int socket) {
  pollfd one{socket, POLLIN, 0};
  return poll(&one, 1, patience_ms) == 1;
}

}  // namespace

std::string Visitor::read_request() {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && head.size() < 65'536 && readable(socket_) && recv(socket_, &byte, 1, 0) == 1)
    head += byte;
  auto const from = head.find(' ');
  auto const to = head.find(' ', from + 1);
  if (to != std::string::npos) path = head.substr(from + 1, to - from - 1);
  return head;
}

std::string Visitor::read_bytes(std::size_t count) {
  std::string bytes;
  char byte = 0;
  while (bytes.size() < count && readable(socket_) && recv(socket_, &byte, 1, 0) == 1) bytes += byte;
  return bytes;
}

void Visitor::send(std::string_view bytes) {
  while (!bytes.empty()) {
    auto const sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Visitor::wait_until_gone() {
  char byte = 0;
  while (readable(socket_) && recv(socket_, &byte, 1, 0) > 0) {
  }
}

LocalServer::LocalServer(std::function<void(Visitor&)> serve, First first) : serve_(std::move(serve)), first_(first) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof here;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&here), sizeof here) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &size) != 0 || pipe(wake_) != 0)
    throw std::runtime_error("no server on 127.0.0.1");
  port_ = ntohs(here.sin_port);
  thread_ = std::thread([this] { run(); });
}

LocalServer::~LocalServer() {
  close(wake_[1]);
  thread_.join();
  close(wake_[0]);
  close(listener_);
}

std::vector<std::string> LocalServer::requests() {
  std::lock_guard const lock(mutex_);
  return requests_;
}

void LocalServer::run() {
  while (true) {
    pollfd both[2] = {{listener_, POLLIN, 0}, {wake_[0], POLLIN | POLLHUP, 0}};
    if (poll(both, 2, -1) < 0 || both[1].revents != 0) return;
    int const socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    Visitor visitor(socket);
    if (first_ == First::head) {
      auto head = visitor.read_request();
      std::lock_guard const lock(mutex_);
      requests_.push_back(std::move(head));
    }
    serve_(visitor);
    shutdown(socket, SHUT_WR);
    visitor.wait_until_gone();  // so that unread bytes do not turn the end into a reset
    close(socket);
  }
}

}  // namespace impound::fetchers
