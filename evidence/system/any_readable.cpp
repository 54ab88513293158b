#include "evidence/system/any_readable.h"

#include <sys/epoll.h>

#include <cerrno>
#include <utility>

namespace impound {

Result<AnyReadable> AnyReadable::make() {
  Descriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll) return from_errno(errno, "cannot wait for several things at once", {});
  return AnyReadable{std::move(epoll)};
}

Result<void> AnyReadable::add(int descriptor) {
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  if (::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, descriptor, &wanted) == 0) return ok();
  return from_errno(errno, "cannot wait for one more thing", {});
}

}  // namespace impound
