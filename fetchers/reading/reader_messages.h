// What crosses the line between the agent and impound-reader-worker: values only; the body goes as a descriptor.
//
//     to the worker                                       from the worker
//     read {job, size, …} with the body's descriptor      hello {version}                 first
//                                                         found {job, rows}               chunks, as they are found
//                                                         listed {job, rows}              chunks
//                                                         facts {job, …}                  ends the job
//
// One job at a time. Both sides use the functions here, so a message has one shape in one place. What is read here is
// UTF-8 where it is text, in bounds, and each word one of its table; whether it is true is judged by the reader.
#pragma once

#include <chrono>
#include <variant>

#include "evidence/system/frames.h"
#include "fetchers/reading/page_facts.h"

namespace impound::fetchers {

/// Both sides of the line must be of one build: a worker with another number is ended.
constexpr std::uint64_t reader_protocol_version = 1;

/// What is asked of a page, and what is known of it.
struct PageOrder {
  std::string content_type{};    // the Content-Type field's value, as it came
  std::string content_coding{};  // Content-Encoding's, the same
  std::string profile{};         // the site profile's TOML, for `answer` and `list`; "" for none
  bool list = false;             // read it as the profile's list
  bool references = true;        // scan it
};

struct ReaderLimits {
  std::uint64_t decoded_bytes_max = 256u << 20;  // that come out of any content coding
  std::uint64_t references_max = 10'000;         // told of one page
  std::chrono::milliseconds time_max{10'000};    // of one page, by the worker's clock
};

constexpr std::size_t field_bytes_max = 1'000;  // of a header field's value
constexpr std::size_t profile_bytes_max = 262'144;
constexpr std::size_t refusals_max = 8;
constexpr std::size_t refusal_bytes_max = 300;
constexpr std::size_t listed_max = 10'000;
constexpr std::size_t list_field_bytes_max = 4'096;
constexpr std::size_t rows_max = 400;               // of one message
constexpr std::size_t rows_bytes_max = 256u << 10;  // … about

struct ReaderHello {
  std::uint64_t version = 0;
};
struct ReadPage {
  std::uint64_t job = 0;
  std::uint64_t size = 0;
  PageOrder order;
  ReaderLimits limits;
};
struct FoundRows {
  std::uint64_t job = 0;
  std::vector<FoundReference> rows;
};
struct ListedRows {
  std::uint64_t job = 0;
  std::vector<ListedItem> rows;
};
/// `facts` without `found` and the list's items: those came before.
struct PageRead {
  std::uint64_t job = 0;
  PageFacts facts;
};

using FromReader = std::variant<ReaderHello, FoundRows, ListedRows, PageRead>;

Frame to_frame(ReadPage const& message);
Frame to_frame(FromReader const& message);

/// Code::malformed: the other side must not be listened to any longer.
Result<ReadPage> read_page_from(Frame const& frame);
Result<FromReader> from_reader_from(Frame const& frame);

/// About how many bytes a row takes in its message.
std::size_t row_bytes(FoundReference const& row);
std::size_t row_bytes(ListedItem const& row);

}  // namespace impound::fetchers
