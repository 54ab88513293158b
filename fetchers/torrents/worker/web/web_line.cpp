#include "fetchers/torrents/worker/web/web_line.h"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "evidence/system/clock.h"
#include "fetchers/torrents/worker/web/web_answer.h"

namespace impound::fetchers {

struct WebLine::Shared {
  Shared(std::string seed, std::shared_ptr<WebWay const> by) : name(std::move(seed)), way(std::move(by)) {}

  std::string const name;
  std::shared_ptr<WebWay const> const way;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<WebOrder> order;
  WebNews news;
  std::uint64_t in_flight = 0;
  bool begun = false;  // the thread
  bool over = false;
  std::atomic<std::uint64_t> received = 0;
  std::atomic<bool> stopped = false;  // of the order under way

  void wake() const {
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = ::write(way->wake_descriptor, &one, sizeof one);
  }
  void run();
  /// False: it was stopped meanwhile.
  bool hand_over(FetchedPiece piece);
  void tell(WebExchange exchange);
};

namespace {

std::atomic<int> running_lines = 0;

constexpr std::size_t hops_max = 10;

/// Bytes of an order, cut into its pieces.
class PieceMaker {
 public:
  /// Goes on with what the last order had of its last piece.
  PieceMaker(WebLine::Shared& line, WebOrder const& order, std::vector<char> begun)
      : line_(line), order_(order), piece_(order.run.first), buffer_(std::move(begun)) {
    begin();
  }
  /// What there is of a piece that is not whole.
  std::vector<char> take_rest() { return std::move(buffer_); }
  std::size_t piece() const { return piece_; }
  bool add(std::string_view bytes) {
    while (!bytes.empty() && piece_ <= order_.run.last) {
      auto const count = std::min<std::size_t>(bytes.size(), size() - buffer_.size());
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
      bytes.remove_prefix(count);
      if (!pass_on()) return false;
    }
    return true;
  }
  bool add_zeros(std::uint64_t count) {
    while (count > 0 && piece_ <= order_.run.last) {
      auto const here = std::min<std::uint64_t>(count, size() - buffer_.size());
      buffer_.resize(buffer_.size() + here);
      count -= here;
      if (!pass_on()) return false;
    }
    return true;
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(order_.piece_sizes[piece_ - order_.run.first]); }
  void begin() {
    if (piece_ <= order_.run.last) buffer_.reserve(size());
  }
  bool pass_on() {
    if (buffer_.size() < size()) return true;
    bool const goes_on = line_.hand_over({piece_, std::exchange(buffer_, {})});
    ++piece_;
    begin();
    return goes_on;
  }

  WebLine::Shared& line_;
  WebOrder const& order_;
  std::size_t piece_;
  std::vector<char> buffer_;
};

/// Asks for one part, hop by hop.
class PartFetch {
 public:
  PartFetch(WebLine::Shared& line, HttpClient& client, WebOrder const& order, WebAsk const& ask)
      : line_(line), client_(client), order_(order), ask_(ask) {}

  std::uint64_t got() const { return got_; }
  OrderEnd run(PieceMaker& pieces) {
    Url url = *ask_.url;
    for (std::size_t hop = 0; hop <= hops_max; ++hop) {
      AnswerReader reader(ask_, order_.by_ranges, order_.expects_ranges);
      Exchange const exchange = get(url, reader, pieces);
      OrderEnd end = reader.judge(exchange);
      if (line_.stopped) end.why = OrderEnd::Why::stopped;
      auto const location = exchange.redirect() ? exchange.header("location") : std::nullopt;
      tell(exchange, end);
      if (exchange.failed || !location || end.why == OrderEnd::Why::stopped) return end;
      auto next = url.resolve(*location);
      if (!next) return {.why = OrderEnd::Why::gone, .text = "a redirect to what is no URL: " + next.error().what};
      url = std::move(next).value();
    }
    return {.why = OrderEnd::Why::gone, .text = "more than " + std::to_string(hops_max) + " redirects"};
  }

 private:
  Exchange get(Url const& url, AnswerReader& reader, PieceMaker& pieces) {
    HttpRequest request{url};
    if (!order_.by_ranges) request.headers = {{"Range", reader.range()}};
    request.certificates = true;
    request.sink = [&](Exchange const& head, std::string_view bytes) {
      auto const wanted = reader.take(head, bytes);
      line_.received += bytes.size();
      got_ += wanted.size();
      if (!wanted.empty() && !pieces.add(wanted)) return false;
      return !line_.stopped && reader.wants_more();
    };
    HttpLimits limits = line_.way->limits;
    limits.bytes_max = other_bytes_max;
    limits.cancelled = [this] { return line_.stopped.load(); };
    return client_.get(request, limits);
  }
  void tell(Exchange const& exchange, OrderEnd const& end) {
    WebExchange told = web_exchange(exchange);
    told.web_seed = line_.name;
    told.file = ask_.part.file;
    told.first = ask_.part.offset;
    told.last = ask_.part.offset + ask_.part.size - 1;
    told.outcome = end.text;
    line_.tell(std::move(told));
  }

  static constexpr std::uint64_t other_bytes_max = 64u << 10;  // of a page that says no
  WebLine::Shared& line_;
  HttpClient& client_;
  WebOrder const& order_;
  WebAsk const& ask_;
  std::uint64_t got_ = 0;
};

/// What is not asked for again.
void leave_out(WebOrder& order, std::uint64_t bytes) {
  while (bytes > 0 && !order.asks.empty()) {
    WebPart& part = order.asks.front().part;
    auto const here = std::min(bytes, part.size);
    part.offset += here;
    part.size -= here;
    bytes -= here;
    if (part.size == 0) order.asks.erase(order.asks.begin());
  }
}

/// `begun`: what there is of `begun_piece`; of the piece in which it ends afterwards.
OrderEnd carry_out(WebLine::Shared& line, HttpClient& client, WebOrder order, std::size_t begun_piece,
                   std::vector<char>& begun) {
  if (begun_piece != order.run.first || order.by_ranges) begun.clear();
  leave_out(order, begun.size());
  PieceMaker pieces{line, order, std::exchange(begun, {})};
  std::uint64_t bytes = 0;
  OrderEnd end;
  bool no_ranges = false;
  for (WebAsk const& ask : order.asks) {
    if (line.stopped) {
      end.why = OrderEnd::Why::stopped;
    } else if (!ask.url) {
      if (!pieces.add_zeros(ask.part.size)) end.why = OrderEnd::Why::stopped;
    } else {
      PartFetch fetch{line, client, order, ask};
      end = fetch.run(pieces);
      no_ranges |= end.no_ranges;
      bytes += fetch.got();
    }
    if (end.why == OrderEnd::Why::done) continue;
    end.file = ask.part.file;
    break;
  }
  end.no_ranges = no_ranges;
  end.bytes = bytes;
  end.next_piece = pieces.piece();
  begun = pieces.take_rest();
  return end;
}

}  // namespace

bool WebLine::Shared::hand_over(FetchedPiece piece) {
  std::unique_lock lock{mutex};
  std::uint64_t const size = piece.bytes.size();
  changed.wait(lock, [&] { return stopped || over || in_flight == 0 || in_flight + size <= way->in_flight_max; });
  if (stopped || over) return false;
  in_flight += size;
  news.pieces.push_back(std::move(piece));
  wake();
  return true;
}

void WebLine::Shared::tell(WebExchange exchange) {
  std::lock_guard const lock{mutex};
  if (over) return;
  news.exchanges.push_back(std::move(exchange));
}

void WebLine::Shared::run() {
  SystemClock clock;
  HttpClient client{clock, way->policy, way->user_agent, way->proxy, Connections::kept};
  std::size_t begun_piece = 0;
  std::vector<char> begun_bytes;  // of it, when an order ended in its middle
  std::unique_lock lock{mutex};
  while (true) {
    changed.wait(lock, [this] { return over || order; });
    if (over) return;
    WebOrder one = std::move(*order);
    order.reset();
    lock.unlock();
    OrderEnd end = carry_out(*this, client, std::move(one), begun_piece, begun_bytes);
    begun_piece = end.next_piece;
    lock.lock();
    if (over) return;  // the descriptor may be another's by now
    stopped = false;
    news.end = std::move(end);
    wake();
  }
}

namespace {

void begin_thread(std::shared_ptr<WebLine::Shared> const& shared) {
  ++running_lines;
  std::thread{[shared] {
    shared->run();
    --running_lines;
  }}.detach();
}

}  // namespace

bool WebLine::any_runs() { return running_lines > 0; }

WebLine::WebLine(std::string name, std::shared_ptr<WebWay const> way)
    : shared_(std::make_shared<Shared>(std::move(name), std::move(way))) {}

WebLine::~WebLine() {
  std::lock_guard const lock{shared_->mutex};
  shared_->over = shared_->stopped = true;
  shared_->changed.notify_all();
}

void WebLine::give(WebOrder order) {
  std::lock_guard const lock{shared_->mutex};
  if (!std::exchange(shared_->begun, true)) begin_thread(shared_);
  shared_->order = std::move(order);
  shared_->changed.notify_all();
}

WebNews WebLine::take() {
  std::lock_guard const lock{shared_->mutex};
  return std::exchange(shared_->news, {});
}

std::uint64_t WebLine::received() const { return shared_->received; }

void WebLine::judged(std::uint64_t bytes) {
  std::lock_guard const lock{shared_->mutex};
  shared_->in_flight -= std::min(bytes, shared_->in_flight);
  shared_->changed.notify_all();
}

void WebLine::stop() {
  std::lock_guard const lock{shared_->mutex};
  shared_->stopped = true;
  shared_->changed.notify_all();
}

}  // namespace impound::fetchers
