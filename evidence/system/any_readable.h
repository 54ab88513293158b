// Several descriptors as one, for who can wait for only one more: readable while any of them is. One thread.
#pragma once

#include "evidence/system/descriptor.h"
#include "evidence/values/result.h"

namespace impound {

class AnyReadable {
 public:
  /// Code::io when the kernel gives no epoll.
  static Result<AnyReadable> make();
  /// It leaves by itself when it is closed. Code::io when the kernel takes no more.
  Result<void> add(int descriptor);
  /// Only to be waited for.
  int descriptor() const { return epoll_.number(); }

 private:
  explicit AnyReadable(Descriptor epoll) : epoll_(std::move(epoll)) {}
  Descriptor epoll_;
};

}  // namespace impound
