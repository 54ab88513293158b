#include "agent/work/staging.h"

#include "fetchers/torrents/swarm_record.h"

namespace impound::agent {

namespace {

constexpr unsigned depth_max = 200;

void remove_tree(Disk& vault, std::string const& path, unsigned depth) {
  auto const entries = vault.list(path, 10'000'000);
  if (!entries || depth == 0) return;
  for (FolderEntry const& entry : entries.value()) {
    std::string const below = path + "/" + entry.name;
    if (entry.type == FileFacts::Type::folder)
      remove_tree(vault, below, depth - 1);
    else
      (void)vault.remove(below);
  }
  (void)vault.remove_folder(path);
}

std::uint64_t tree_bytes(Disk& vault, std::string const& path, unsigned depth) {
  auto const entries = vault.list(path, 10'000'000);
  if (!entries || depth == 0) return 0;
  std::uint64_t bytes = 0;
  for (FolderEntry const& entry : entries.value()) {
    std::string const below = path + "/" + entry.name;
    if (entry.type == FileFacts::Type::folder)
      bytes += tree_bytes(vault, below, depth - 1);
    else if (auto const facts = vault.facts_of(below);
             facts && entry.type == FileFacts::Type::file && entry.name != fetchers::record_file_name)
      bytes += facts.value().allocated;
  }
  return bytes;
}

}  // namespace

std::string staging_path(std::string const& below) { return "staging/swarm/" + below; }

Result<void> make_staging_folder(Disk& vault, std::string const& below) {
  auto made = vault.make_folder(staging_path(below));
  if (!made && made.error().code != Code::exists) return std::move(made).error();
  return ok();
}

std::uint64_t staged_bytes(Disk& vault, std::string const& below) {
  return tree_bytes(vault, staging_path(below), depth_max);
}

void remove_staging_folder(Disk& vault, std::string const& below) {
  remove_tree(vault, staging_path(below), depth_max);
}

}  // namespace impound::agent
