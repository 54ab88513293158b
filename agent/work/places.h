// Paths of this process as text: where its own program lies, and a file's path taken apart. Pure but for
// readlink(2) and realpath(3).
#pragma once

#include <optional>
#include <string>

namespace impound::agent {

/// The path of the running program, "" when /proc does not tell.
std::string own_program();

/// The folder it lies in, "." when /proc does not tell.
std::string own_folder();

/// A file's path as the folder to open and the name in it: "x" lies in ".", "/x" in "/".
struct FilePlace {
  std::string folder;
  std::string name;
};
FilePlace file_place(std::string const& path);

/// Absolute, links resolved; nothing, with errno set, when it is not there.
std::optional<std::string> real_path(std::string const& path);

}  // namespace impound::agent
