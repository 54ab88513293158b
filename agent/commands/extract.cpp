// impound extract: references found in files or standard input, one a line. Needs no vault and no key.
// Gap: it scans in this process; under the reader's sandbox it belongs once there is one.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "fetchers/references/scanner.h"

namespace impound::agent {

namespace {

// A reference is at most about 16 KiB long, so an overlap of 64 KiB shows each one whole in some chunk.
constexpr std::size_t chunk_bytes = 4 * 1024 * 1024;
constexpr std::size_t overlap_bytes = 64 * 1024;

struct ExtractOptions {
  std::vector<std::string> files;
  bool recursive = false;
  bool json = false;
};

void print(fetchers::Reference reference, std::size_t base, std::string const& file, bool json) {
  reference.offset += base;
  std::string const line = json ? json_line(fetchers::to_json(reference, file)) : shown(reference.canonical, 4000);
  std::printf("%s\n", line.c_str());
}

Result<void> scan_descriptor(int descriptor, std::string const& file, bool json) {
  std::string buffer;
  std::size_t base = 0;   // of the buffer's first byte in the input
  std::size_t begin = 0;  // references that start before it in the buffer were told with the chunk before
  bool at_end = false;
  while (!at_end) {
    std::size_t const had = buffer.size();
    buffer.resize(overlap_bytes + chunk_bytes);
    std::size_t filled = had;
    while (filled < buffer.size()) {
      ssize_t const count = ::read(descriptor, buffer.data() + filled, buffer.size() - filled);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return from_errno(errno, "cannot read", file);
      if (count == 0) {
        at_end = true;
        break;
      }
      filled += static_cast<std::size_t>(count);
    }
    buffer.resize(filled);
    std::size_t const end =
        at_end ? filled : filled - overlap_bytes;  // what starts behind it belongs to the next chunk
    fetchers::ScanLimits limits;
    limits.references_max = 1'000'000;
    std::size_t told_until = begin;
    for (fetchers::Reference const& reference : fetchers::scan(buffer, limits)) {
      if (reference.offset < begin || reference.offset >= end) continue;
      print(reference, base, file, json);
      told_until = std::max(told_until, reference.offset + reference.length);
    }
    if (at_end) break;
    // One overlap's worth before the cut is kept as well, so that a label in front of a bare hash stays in sight.
    std::size_t const keep_from = end > overlap_bytes ? end - overlap_bytes : 0;
    begin = std::max(end, told_until) - keep_from;
    base += keep_from;
    buffer.erase(0, keep_from);
  }
  return ok();
}

Result<void> scan_file(std::string const& path, bool json) {
  int const descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) return from_errno(errno, "cannot open", path);
  auto const said = scan_descriptor(descriptor, path, json);
  ::close(descriptor);
  return said;
}

ExitCode scan_folder(std::string const& folder, bool json) {
  ExitCode worst = ExitCode::done;
  std::error_code wrong;
  std::filesystem::recursive_directory_iterator at{folder, wrong};
  for (; !wrong && at != std::filesystem::recursive_directory_iterator{}; at.increment(wrong)) {
    if (!at->is_regular_file(wrong) || at->is_symlink(wrong)) continue;
    if (auto done = scan_file(at->path().string(), json); !done) worst = worse(worst, tell(done.error()));
  }
  if (wrong)
    worst = worse(worst, tell(Error{Code::io, "cannot list the folder (" + wrong.message() + ")", folder, {}}));
  return worst;
}

ExitCode run(ExtractOptions const& options) {
  ExitCode worst = ExitCode::done;
  std::vector<std::string> files = options.files;
  if (files.empty()) files.push_back("-");
  for (std::string const& file : files) {
    struct stat found {};
    bool const folder = file != "-" && ::stat(file.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
    if (folder && !options.recursive) {
      worst = worse(worst, tell(Error{Code::usage, "this is a folder", file, "Give -r to go through it"}));
    } else if (folder) {
      worst = worse(worst, scan_folder(file, options.json));
    } else {
      auto const done = file == "-" ? scan_descriptor(STDIN_FILENO, "-", options.json) : scan_file(file, options.json);
      if (!done) worst = worse(worst, tell(done.error()));
    }
  }
  return worst;
}

}  // namespace

void add_extract(ProgramLine& program, Invocation& invocation) {
  auto const options = std::make_shared<ExtractOptions>();
  CommandLine command =
      program.command("extract", "prints the references found in files or standard input",
                      [options, &invocation] { invocation.chosen = [options] { return run(*options); }; });
  command.positionals("FILE", options->files, "files, or - for standard input", CommandLine::Need::optional);
  command.flag("-r", options->recursive, "goes through folders");
  command.flag("--json", options->json, "one object a reference, with its place in the input");
  add_common_options(command, invocation.common);
}

}  // namespace impound::agent
