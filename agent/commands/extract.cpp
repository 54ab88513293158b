// impound extract: references found in files or standard input, one a line. Needs no vault and no key.
//
// It scans in this process, in the reader's sandbox: what was named can be read, and nothing else can be opened,
// written or dialled by whoever a file would take it over for.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "agent/commands/command.h"
#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "evidence/system/descriptor.h"
#include "evidence/system/sandbox.h"
#include "fetchers/references/scan_in_parts.h"

namespace impound::agent {

namespace {

constexpr std::size_t block_bytes = 1u << 20;

struct ExtractOptions {
  std::vector<std::string> files;
  bool recursive = false;
  bool json = false;
};

/// One thing to go through: what can be named to the sandbox is opened in it, a pipe or a device before.
struct Input {
  std::string path;
  bool folder = false;
  Descriptor opened{};
};

void print(fetchers::Reference const& reference, std::string const& file, bool json) {
  std::string const line = json ? json_line(fetchers::to_json(reference, file)) : shown(reference.canonical, 4000);
  std::printf("%s\n", line.c_str());
}

Result<void> scan_descriptor(int descriptor, std::string const& file, bool json) {
  fetchers::ScanLimits limits;
  limits.references_max = 1'000'000;
  fetchers::ScanInParts scanner{limits, [&](fetchers::Reference const& one) { print(one, file, json); }};
  std::string block(block_bytes, '\0');
  while (true) {
    ssize_t const count = ::read(descriptor, block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return from_errno(errno, "cannot read", file);
    if (count == 0) break;
    scanner.write(std::string_view{block}.substr(0, static_cast<std::size_t>(count)));
  }
  scanner.finish();
  return ok();
}

Result<void> scan_file(std::string const& path, bool json) {
  Descriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (!file) return from_errno(errno, "cannot open", path);
  return scan_descriptor(file.number(), path, json);
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

Result<std::vector<Input>> inputs(ExtractOptions const& options) {
  std::vector<Input> all;
  for (std::string const& path : options.files.empty() ? std::vector<std::string>{"-"} : options.files) {
    struct stat facts {};
    Input input{path};
    bool const there = path != "-" && ::stat(path.c_str(), &facts) == 0;
    input.folder = there && S_ISDIR(facts.st_mode);
    if (there && !input.folder && !S_ISREG(facts.st_mode)) {
      input.opened = Descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
      if (!input.opened) return from_errno(errno, "cannot open", path);
    }
    all.push_back(std::move(input));
  }
  return all;
}

Result<int> enter_sandbox_for(std::vector<Input> const& all) {
  SandboxRights rights;
  rights.reads_as_root = true;
  for (Input const& input : all)
    if (!input.opened && input.path != "-") rights.readable.push_back(input.path);
  return enter_sandbox(rights);
}

Result<void> scan_input(Input const& input, bool json) {
  if (input.path == "-") return scan_descriptor(STDIN_FILENO, "-", json);
  return input.opened ? scan_descriptor(input.opened.number(), input.path, json) : scan_file(input.path, json);
}

ExitCode run(ExtractOptions const& options) {
  auto const all = inputs(options);
  if (!all) return tell(all.error());
  if (auto const confined = enter_sandbox_for(all.value()); !confined) return tell(confined.error());
  ExitCode worst = ExitCode::done;
  for (Input const& input : all.value()) {
    if (input.folder && !options.recursive)
      worst = worse(worst, tell(Error{Code::usage, "this is a folder", input.path, "Give -r to go through it"}));
    else if (input.folder)
      worst = worse(worst, scan_folder(input.path, options.json));
    else if (auto const done = scan_input(input, options.json); !done)
      worst = worse(worst, tell(done.error()));
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
