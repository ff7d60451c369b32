/* The schema of a recording file (.jm). docs/recording.md says what it means at length.
 *
 * recording   one row: begin and end of what was measured (CLOCK_MONOTONIC ns), UTC minus that
 *             clock, and whether the recording was completed (0: it is still being written, or was
 *             cut off).
 * info        facts by name: version, host, kernel, cpu_model, start, command, exit_code ...
 * device      what was measured. id is the index in the C API.
 * sensor      what was read of a device. id is the index in the C API. Times in ns; 0: unknown.
 * sample      one row for each sample that was kept. value is NULL where a reading failed. since_ns
 *             is the time from the poll before (4294967295: that long or longer). flags: 1 changed,
 *             2 after a gap, 4 missing, 8 the counter began anew. Rows of a sensor rise in time
 *             with their id; ids have holes.
 * chunk       where the samples of a sensor are: `count` rows of sample from first_id on, from
 *             t_first to t_last, `valid` of which have a value, between low and high. With it a
 *             window of time is found without reading the rest.
 * range       named pieces of time. seq counts from 1. end_ns is NULL while it is open; unfinished
 *             says that it had no end and was closed with the recording. parent is the id of the
 *             range that was open around it in its thread, or NULL. attributes is a JSON object
 *             or ''. device is what ran it (NULL: the host), stream that device's stream.
 * mark        named instants.
 * warning     what the user should know of, in sentences.
 * sampler     one row: polls, failed and late polls, ranges and marks that were dropped, CPU time
 *             of the sampler thread, the latest poll.
 */
#include "record/schema.h"

const jmi_table jmi_tables[] = {
    {"recording", "CREATE TABLE recording (id INTEGER PRIMARY KEY, begin_ns INTEGER NOT NULL, "
                  "end_ns INTEGER NOT NULL, utc_offset_ns INTEGER NOT NULL, "
                  "complete INTEGER NOT NULL) STRICT"},
    {"info", "CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"},
    {"device", "CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT NOT NULL, "
               "vendor TEXT NOT NULL, model TEXT NOT NULL, uuid TEXT NOT NULL, pci TEXT NOT NULL, "
               "driver TEXT NOT NULL, in_total INTEGER NOT NULL, simulated INTEGER NOT NULL, "
               "power_limit_w REAL NOT NULL, power_floor_w REAL NOT NULL) STRICT"},
    {"sensor", "CREATE TABLE sensor (id INTEGER PRIMARY KEY, device INTEGER NOT NULL, "
               "quantity TEXT NOT NULL, unit TEXT NOT NULL, source TEXT NOT NULL, "
               "counter INTEGER NOT NULL, modelled INTEGER NOT NULL, source_time INTEGER NOT NULL, "
               "refresh_ns INTEGER NOT NULL, window_ns INTEGER NOT NULL, lag_ns INTEGER NOT NULL, "
               "noise REAL NOT NULL, quantum REAL NOT NULL, calibrated INTEGER NOT NULL) STRICT"},
    {"sample", "CREATE TABLE sample (id INTEGER PRIMARY KEY, sensor INTEGER NOT NULL, "
               "t_ns INTEGER NOT NULL, value REAL, since_ns INTEGER NOT NULL, "
               "flags INTEGER NOT NULL) STRICT"},
    {"chunk", "CREATE TABLE chunk (first_id INTEGER PRIMARY KEY, sensor INTEGER NOT NULL, "
              "count INTEGER NOT NULL, valid INTEGER NOT NULL, t_first INTEGER NOT NULL, "
              "t_last INTEGER NOT NULL, low REAL, high REAL) STRICT"},
    {"range", "CREATE TABLE range (seq INTEGER PRIMARY KEY, id INTEGER NOT NULL, parent INTEGER, "
              "begin_ns INTEGER NOT NULL, end_ns INTEGER, unfinished INTEGER NOT NULL, "
              "category TEXT NOT NULL, name TEXT NOT NULL, pid INTEGER NOT NULL, "
              "thread INTEGER NOT NULL, attributes TEXT NOT NULL, device INTEGER, "
              "stream INTEGER NOT NULL) STRICT"},
    {"mark", "CREATE TABLE mark (seq INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, "
             "name TEXT NOT NULL, pid INTEGER NOT NULL, thread INTEGER NOT NULL, "
             "attributes TEXT NOT NULL) STRICT"},
    {"warning", "CREATE TABLE warning (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, "
                "text TEXT NOT NULL) STRICT"},
    {"sampler", "CREATE TABLE sampler (id INTEGER PRIMARY KEY, polls INTEGER NOT NULL, "
                "failed INTEGER NOT NULL, late INTEGER NOT NULL, dropped INTEGER NOT NULL, "
                "cpu_ns INTEGER NOT NULL, worst_late_ns INTEGER NOT NULL) STRICT"},
};

const size_t jmi_table_count = sizeof jmi_tables / sizeof jmi_tables[0];

const char jmi_views[] =
    "CREATE VIEW samples AS SELECT (s.t_ns - r.begin_ns) / 1e9 AS t_s, d.name AS device, "
    "k.quantity AS quantity, k.unit AS unit, k.source AS source, s.value AS value, "
    "s.flags AS flags FROM sample s JOIN sensor k ON k.id = s.sensor "
    "JOIN device d ON d.id = k.device JOIN recording r;"
    "CREATE VIEW ranges AS SELECT (g.begin_ns - r.begin_ns) / 1e9 AS begin_s, "
    "(coalesce(g.end_ns, r.end_ns) - g.begin_ns) / 1e9 AS duration_s, g.category AS category, "
    "g.name AS name, g.pid AS pid, g.thread AS thread, g.attributes AS attributes, "
    "g.unfinished OR g.end_ns IS NULL AS unfinished, d.name AS device, g.stream AS stream "
    "FROM range g JOIN recording r LEFT JOIN device d ON d.id = g.device;"
    "CREATE VIEW marks AS SELECT (m.t_ns - r.begin_ns) / 1e9 AS t_s, m.name AS name, "
    "m.pid AS pid, m.thread AS thread, m.attributes AS attributes FROM mark m JOIN recording r;";
