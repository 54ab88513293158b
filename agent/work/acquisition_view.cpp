#include "agent/work/acquisition_view.h"

#include <cstdio>

#include "agent/service/terminal.h"
#include "agent/work/past.h"

namespace impound::agent {

std::string erased_text(Json const& json) {
  auto const by = count_field(json, "erased_by");
  return by ? "  ERASED by entry " + std::to_string(*by) : "";
}

void print_acquisition(Json const& json) {
  auto const field = [&](char const* key) { return text_field(json, key).value_or("-"); };
  std::printf("acquisition  %s\nname         %s\n", field("id").c_str(), shown(field("name")).c_str());
  if (json.contains("info_hash_v1")) std::printf("v1           %s\n", field("info_hash_v1").c_str());
  if (json.contains("info_hash_v2")) std::printf("v2           %s\n", field("info_hash_v2").c_str());
  std::printf("state        %s%s%s\n", field("state").c_str(), json.contains("reason") ? ", " : "",
              json.contains("reason") ? field("reason").c_str() : "");
  if (json.contains("waits")) std::printf("waiting      %s\n", field("waits").c_str());
  if (json.contains("swarm_record")) std::printf("record       %s\n", field("swarm_record").c_str());
  std::printf("uploaded     %llu payload bytes\n",
              static_cast<unsigned long long>(json["uploaded_payload_bytes"].get<std::uint64_t>()));
  for (Json const& file : json["files"]) {
    auto const target = text_field(file, "symlink");
    std::string const missing = target ? "symbolic link, never created" : "not there, not sealed";
    std::printf("%-64s  %12llu  %s%s%s\n",
                text_field(file, "sha256").value_or(std::string((64 - missing.size()) / 2, ' ') + missing).c_str(),
                static_cast<unsigned long long>(count_field(file, "size").value_or(0)),
                shown(text_field(file, "path").value_or("")).c_str(), erased_text(file).c_str(),
                target ? (" -> " + shown(*target)).c_str() : "");
  }
}

}  // namespace impound::agent
