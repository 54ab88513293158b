#include "fetchers/references/reference.h"

#include "evidence/formats/hex.h"

namespace impound::fetchers {

char const* word(ReferenceKind kind) {
  switch (kind) {
    case ReferenceKind::magnet: return "magnet";
    case ReferenceKind::info_hash: return "info_hash";
    case ReferenceKind::torrent_url: return "torrent_url";
    case ReferenceKind::archive_item: return "archive_item";
  }
  return "magnet";
}

char const* word(Confidence confidence) {
  switch (confidence) {
    case Confidence::high: return "high";
    case Confidence::medium: return "medium";
    case Confidence::low: return "low";
  }
  return "low";
}

namespace {

void put_text(Json& line, char const* key, std::string_view text) {
  if (text.empty()) return;
  if (is_utf8(text))
    line[key] = text;
  else
    line[std::string(key) + "_hex"] = hex(bytes_of(text));
}

}  // namespace

Json to_json(Reference const& reference, std::string_view file) {
  Json line = Json::object();
  put_text(line, "file", file);
  line["kind"] = word(reference.kind);
  put_text(line, "canonical", reference.canonical);
  if (reference.hashes.v1) line["info_hash_v1"] = hex(*reference.hashes.v1);
  if (reference.hashes.v2) line["info_hash_v2"] = hex(*reference.hashes.v2);
  put_text(line, "url", reference.url);
  put_text(line, "text", reference.text);
  line["offset"] = reference.offset;
  line["length"] = reference.length;
  line["rule"] = reference.rule;
  line["confidence"] = word(reference.confidence);
  return line;
}

std::string archive_torrent_url(std::string_view item) {
  std::string const id(item);
  return "https://archive.org/download/" + id + "/" + id + "_archive.torrent";
}

}  // namespace impound::fetchers
