// What a page was found to be and to hold: the values that come from the reader. Header only.
//
// Everything here was said by a process that read foreign bytes and may be under their spell; the agent's side
// (reader.h) holds it against its bounds and against what it can check itself before anybody sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evidence/values/digest.h"
#include "fetchers/references/reference.h"
#include "fetchers/sites/site_profile.h"

namespace impound::fetchers {

/// What the offset of a reference counts.
enum class Layer {
  body,  // bytes of the body, content coding undone
  text,  // bytes of the whole text as UTF-8, where the body is UTF-16 or the like
  html   // bytes of the text that the markup shows: character references resolved, links on lines of their own
};
char const* word(Layer layer);

struct FoundReference {
  Reference reference;
  Layer layer = Layer::body;
};

struct ListedItem {
  std::string key;
  std::string title, author;                 // "" where absent
  std::optional<std::int64_t> published_us;  // UTC
  std::string raw{};  // the item as JSON text, every field the site gave; stays with the process that read it
};

/// Why something of a page was not read, or not to its end.
enum class Refused {
  coding,      // its content coding is unknown, broken or cut off
  too_large,   // more bytes than the limit
  bomb,        // far more comes out of its content coding than went in
  time,        // reading it took too long
  memory,      // … or too much memory
  markup,      // its HTML is too deep or too long: read as plain text
  list,        // it is no list as the profile has it
  references,  // it holds more references than are told
  reader       // the reader died, did not start, or said what cannot be
};
char const* word(Refused why);

struct Refusal {
  Refused why = Refused::reader;
  std::string detail;
};

struct PageFacts {
  Answer answer = Answer::content;    // what its text is by the profile
  std::string media_type;             // by its bytes; "" unknown
  std::string charset;                // "UTF-8"; "" for what is no text
  std::string charset_from;           // "bom", "field", "meta", "xml", "bytes", "guess"
  std::string base;                   // what relative links of it are relative to, as its <base> has it; "" for its URL
  std::uint64_t decoded_bytes = 0;    // content coding undone
  std::uint64_t replaced = 0;         // malformed characters
  std::optional<Sha256> text_sha256;  // of the whole text as UTF-8
  std::vector<FoundReference> found;  // by layer, in order of offset; what an earlier layer has is not told again
  std::optional<std::vector<ListedItem>>
      list;                       // in the site's order, each key once; nothing where it could not be read
  std::uint64_t unreadable = 0;   // entries of the list without a key that fits the profile
  std::string unreadable_why;     // of the first of them
  std::vector<Refusal> refusals;  // at most 8

  bool whole() const { return refusals.empty(); }
};

}  // namespace impound::fetchers
