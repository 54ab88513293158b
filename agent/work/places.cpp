#include "agent/work/places.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace impound::agent {

std::string own_program() {
  char path[4096];
  ssize_t const length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string();
}

std::string own_folder() { return file_place(own_program()).folder; }

FilePlace file_place(std::string const& path) {
  auto const slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::optional<std::string> real_path(std::string const& path) {
  std::unique_ptr<char, void (*)(void*)> const found{::realpath(path.c_str(), nullptr), ::free};
  return found ? std::optional{std::string(found.get())} : std::nullopt;
}

}  // namespace impound::agent
