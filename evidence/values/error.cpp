#include "evidence/values/error.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace impound {

char const* word(Code code) {
  switch (code) {
    case Code::usage: return "usage";
    case Code::malformed: return "malformed";
    case Code::refused: return "refused";
    case Code::not_found: return "not_found";
    case Code::exists: return "exists";
    case Code::unreachable: return "unreachable";
    case Code::timeout: return "timeout";
    case Code::held: return "held";
    case Code::no_space: return "no_space";
    case Code::read_only: return "read_only";
    case Code::io: return "io";
    case Code::damaged: return "damaged";
    case Code::rolled_back: return "rolled_back";
    case Code::cancelled: return "cancelled";
  }
  return "io";
}

std::string line(Error const& error) {
  std::string text = error.what;
  if (!error.where.empty()) text += ": " + error.where;
  if (!error.hint.empty()) text += ". " + error.hint;
  return text;
}

namespace {

Code code_of(int number) {
  switch (number) {
    case ENOSPC:
    case EDQUOT: return Code::no_space;
    case EROFS:
    case EACCES:
    case EPERM: return Code::read_only;
    case ENOENT: return Code::not_found;
    case EEXIST: return Code::exists;
    case ETIMEDOUT: return Code::timeout;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH: return Code::unreachable;
    default: return Code::io;
  }
}

}  // namespace

Error from_errno(int number, std::string what, std::string where) {
  what += " (";
  what += std::strerror(number);
  what += ")";
  return Error{code_of(number), std::move(what), std::move(where), {}};
}

}  // namespace impound
