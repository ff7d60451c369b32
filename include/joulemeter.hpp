/*
 * joulemeter.hpp - joulemeter.h for C++: ranges that end with their scope, errors as exceptions.
 *
 *     #include <joulemeter.hpp>
 *
 *     int main() {
 *         joulemeter::session session;            // or that of an outer `joulemeter run`
 *         {
 *             joulemeter::range solve(session, "solve", JM_CATEGORY_PHASE);
 *             work();
 *             solve.attributes("{\"residual\":1e-6}");
 *         }                                       // ends here, whatever is thrown
 *         joulemeter::range write(session, "write");
 *         save();
 *         write.end();
 *         jm_energy e = write.energy();
 *         std::printf("%.1f J +- %.1f J\n", e.energy_j, e.u95_j);
 *     }
 *
 * One header, nothing to link but -ljoulemeter. C++11 and later. What is not here is in joulemeter.h,
 * which takes session.get().
 */
#ifndef JOULEMETER_HPP
#define JOULEMETER_HPP

#include "joulemeter.h"

#include <stdexcept>
#include <string>
#include <utility>

namespace joulemeter {

/* What a function of joulemeter.h said was wrong. */
class error : public std::runtime_error {
  public:
    explicit error(const jm_error &e) : std::runtime_error(e.message), status_(e.status) {}
    int status() const noexcept { return status_; } /* JM_* */

  private:
    int status_;
};

namespace detail {
inline void check(int status, const jm_error &e) {
    if (status != JM_OK) throw error(e);
}
} // namespace detail

/* What was measured. */
class recording {
  public:
    explicit recording(jm_recording *r = nullptr) noexcept : recording_(r) {}
    explicit recording(const std::string &path) {
        jm_error e = jm_error();
        detail::check(jm_recording_open(&recording_, path.c_str(), &e), e);
    }
    recording(recording &&other) noexcept : recording_(other.recording_) {
        other.recording_ = nullptr;
    }
    recording &operator=(recording &&other) noexcept {
        std::swap(recording_, other.recording_);
        return *this;
    }
    recording(const recording &) = delete;
    recording &operator=(const recording &) = delete;
    ~recording() { jm_recording_free(recording_); }

    jm_recording *get() const noexcept { return recording_; }
    explicit operator bool() const noexcept { return recording_ != nullptr; }
    void save(const std::string &path) const {
        jm_error e = jm_error();
        detail::check(jm_recording_save(recording_, path.c_str(), &e), e);
    }
    /* The summary as text. */
    std::string report() const {
        jm_error e = jm_error();
        char *text = nullptr;
        detail::check(jm_report_text(recording_, nullptr, &text, &e), e);
        std::string copy;
        try {
            copy = text;
        } catch (...) {
            jm_free(text);
            throw;
        }
        jm_free(text);
        return copy;
    }

  private:
    jm_recording *recording_ = nullptr;
};

/* Measuring now, until the object ends. */
class session {
  public:
    session() : session(nullptr) {}
    explicit session(const jm_session_options &options) : session(&options) {}
    session(session &&other) noexcept : session_(other.session_) { other.session_ = nullptr; }
    session &operator=(session &&other) noexcept {
        std::swap(session_, other.session_);
        return *this;
    }
    session(const session &) = delete;
    session &operator=(const session &) = delete;
    ~session() { jm_session_close(session_, nullptr, nullptr); }

    jm_session *get() const noexcept { return session_; }
    bool joined() const noexcept { return jm_session_joined(session_); }
    void mark(const std::string &name, const char *attributes = nullptr) noexcept {
        jm_mark(session_, name.c_str(), attributes);
    }
    /* Stops measuring. The recording is empty where the session was joined. */
    recording close() {
        jm_error e = jm_error();
        jm_recording *made = nullptr;
        jm_session *closing = session_;
        session_ = nullptr;
        int status = jm_session_close(closing, &made, &e);
        recording result(made);
        detail::check(status, e);
        return result;
    }

  private:
    explicit session(const jm_session_options *options) {
        jm_error e = jm_error();
        detail::check(jm_session_open(&session_, options, &e), e);
    }
    jm_session *session_ = nullptr;
};

/* A piece of time: begins with the object and ends with it, or before by end(). Its session must
 * outlive it. Beginning and ending throw nothing and allocate nothing. */
class range {
  public:
    range(const session &s, const char *name, jm_category category = JM_CATEGORY_USER,
          const char *attributes = nullptr) noexcept
        : session_(s.get()), range_(jm_begin_as(s.get(), category, name, attributes)) {}
    range(const session &s, const std::string &name, jm_category category = JM_CATEGORY_USER,
          const char *attributes = nullptr) noexcept
        : range(s, name.c_str(), category, attributes) {}
    range(range &&other) noexcept
        : session_(other.session_), range_(other.range_), open_(other.open_),
          attributes_(std::move(other.attributes_)) {
        other.open_ = false;
    }
    range(const range &) = delete;
    range &operator=(const range &) = delete;
    range &operator=(range &&) = delete;
    ~range() { end(); }

    /* Known only by now; told when it ends. */
    void attributes(std::string json) { attributes_ = std::move(json); }
    void end() noexcept {
        if (!open_) return;
        open_ = false;
        if (attributes_.empty())
            jm_end(session_, range_);
        else
            jm_end_with(session_, range_, attributes_.c_str());
    }
    jm_range_id id() const noexcept { return range_; }
    /* So far, or whole if it has ended. */
    jm_energy energy(uint32_t device = JM_DEVICE_TOTAL) const {
        jm_error e = jm_error();
        jm_energy result = jm_energy();
        detail::check(jm_range_energy(session_, range_, device, nullptr, &result, &e), e);
        return result;
    }

  private:
    jm_session *session_;
    jm_range_id range_;
    bool open_ = true;
    std::string attributes_;
};

} // namespace joulemeter
#endif
