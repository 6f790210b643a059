"""Every threshold and bound of the recognition of recordings, in one table.

The comment above a value is its row: unit | meaning | [source]. A "share" is between 0 and 1. A "power" is a ratio of
powers: 10 log10 of it are decibels. Levels of items, frames and tiles: an item is 0.124 s of a fingerprint, a frame
46 ms of a spectrum, a tile 80 frames of one band.

Sources:
[acoustid] the rules of the AcoustID server, github.com/acoustid/pg_acoustid, and docs/recognition.md, "Fingerprints"
[fingerprints] docs/recognition.md, "Fingerprints": 64 real tracks in 69 transforms, beside 339 tracks
[index] docs/recognition.md, "The index", measured by `python -m benchmarks.fingerprint_index`
[sound] docs/recognition.md, "Comparison of the sound", measured by `python -m benchmarks.matching`
[local] docs/recognition.md, "Comparison of the sound": the table of the worst place of a file
[attacks] docs/recognition.md, "Attacks"
[bandwidth] docs/recognition.md, "Encoding and bandwidth"
[bounds] docs/recognition.md, "Bounds": bounds the time or memory of the worst file
[bad-input] docs/recognition.md, "Bad input"
[gcc] Knapp, Carter: The generalized correlation method for estimation of time delay, IEEE TASSP 24 (4), 1976
"""

# --- Decoding: `decoding`, `bandwidth` ---

# full scale | a file whose peak is lower (-60 dBFS: dither and hum of an empty recording) is silent | [bad-input]
SILENT_PEAK = 10 ** (-60 / 20)
# seconds | a shorter file is refused | [bad-input]
MIN_SECONDS = 5.0
# seconds | one spectrum is taken in each of these for the bandwidth: 12 ms of work in four minutes | [bandwidth]
BANDWIDTH_INTERVAL = 2.0
# power | a bin weaker than this beside the strongest one is no sound (-70 dB) | [bandwidth]
BANDWIDTH_MIN_POWER = 1e-7

# --- Keys for the index: `fingerprint` ---

# items | one item in so many is a key: about 110 keys in four minutes | [index]
KEY_SAMPLING = 16
# items | the same for a song that has fewer than `MIN_KEYS` keys by the rule above | [index]
SHORT_KEY_SAMPLING = 4
# keys | of fewer, too few are left when an encoder has changed nine of ten | [index]
MIN_KEYS = 64
# items | a stored fingerprint of more (36 hours) is not read | [bounds]
MAX_STORED_ITEMS = 1 << 20

# --- Offsets of two fingerprints: `offset_histogram` ---

# bits | the top bits of two items that have to be equal to count for an offset | [fingerprints]
KEY_BITS = 20
# times | what occurs more often in one fingerprint (a loop) does not count: it fits every offset | [fingerprints]
MAX_KEY_REPEATS = 8
# pairs | of equal items; two fingerprints with more have no offset: they are all alike | [bounds]
MAX_KEY_PAIRS = 1 << 22
# offsets | with the most hits, which are looked at, and those beside the best | [fingerprints]
HISTOGRAM_PEAKS = 5

# --- Similarity of two fingerprints: `similarity` ---

# items | 7.9 s: the window in which errors are averaged for the coverage | [fingerprints]
WINDOW_ITEMS = 64
# items | 25 s: a shorter overlap is never the same recording | [fingerprints]
MIN_OVERLAP_ITEMS = 200
# items | with different top 16 bits in the overlap: tones, noise and silence have fewer | [acoustid]
MIN_DISTINCT_ITEMS = 80
# share of the distinct items | that have to be equal at the best offset | [acoustid]
MIN_HIT_SHARE = 0.02
# share of bits | that differ at most in one recording; the sound decides afterwards. Other songs: 0.228 | [sound]
MAX_BIT_ERROR_RATE = 0.20
# share of bits | that differ at most for a near-identical recording: no unrelated pair in 1.49 million | [fingerprints]
NEAR_IDENTICAL_BIT_ERROR_RATE = 0.12
# share of bits | that differ at most in another version of a song | [sound]
VERSION_BIT_ERROR_RATE = 0.22
# share of the shorter one | the least overlap of another version | [fingerprints]
MIN_VERSION_OVERLAP = 0.5
# share of bits | a window with fewer errors agrees | [fingerprints]
WINDOW_BIT_ERROR_RATE = 0.25
# share of the overlap | in windows that agree, for one recording; the sound looks at each of the others | [sound]
MIN_COVERAGE = 0.80
# share of the overlap | the same for a near-identical recording: a cut of 20 s passes in 3 % | [fingerprints]
NEAR_IDENTICAL_COVERAGE = 0.95
# share of bits | a window with fewer errors is a part of the other recording, at any offset | [sound]
EDIT_WINDOW_BIT_ERROR_RATE = 0.20
# share of the windows of the shorter one | that are parts of the other one, for an edit | [sound]
MIN_EDIT_COVERAGE = 0.45
# share of bits | that differ in two songs at any offset; where fewer do, all rates are lowered | [fingerprints]
CHANCE_BIT_ERROR_RATE = 0.40
# seconds | at the ends that the song has and the file lacks, at most, silence not counted | [sound]
MAX_MISSING_SECONDS = 12.0
# seconds | at the ends that the file has and the song lacks, at most: the stems would lack them | [attacks]
MAX_EXTRA_SECONDS = 3.0

# --- Time alignment: `alignment` ---

# samples | 3 s: the window that is correlated | [gcc]
ALIGNMENT_WINDOW = 1 << 15
# windows | evenly spread over the overlap | [sound]
ALIGNMENT_WINDOWS = 9
# samples | 0.19 s to either side of the expected lag; fingerprints are off by 0.124 s at most | [fingerprints]
ALIGNMENT_REACH = 2048
# samples | 0.3 ms: lags that differ by no more agree, for the filters of a codec move them | [sound]
ALIGNMENT_TOLERANCE = 3
# share of the windows | that have to agree: in a quiet or steady passage one may be wrong | [sound]
MIN_ALIGNMENT_AGREEMENT = 0.6
# mean square | a quieter window has no lag | [sound]
ALIGNMENT_SILENCE = 1e-9
# Hz | the band that gives the fraction of a sample: every codec keeps it | [sound]
ALIGNMENT_BAND = (100.0, 4000.0)

# --- Comparison of the sound as a whole: `mix_comparison`, `waveshaper`, `stft` ---

# seconds | that are compared at once, which bounds memory to 0.5 GB | [bounds]
MAX_PIECE_SECONDS = 600
# share of the energy | that is unexplained in a copy without loss, at most; below it a quiet voice could hide | [sound]
MAX_COPY_RESIDUAL = 10**-2.6
# levels | of the song, to each of which a limiter may have given a gain of its own | [sound]
WAVESHAPER_LEVELS = 24
# samples | one in so many is enough to measure those gains | [bounds]
WAVESHAPER_STRIDE = 7
# power | above the last bin in which a file has so much of its song, its treble was cut off | [sound]
CUTOFF_RATIO = 0.3

# --- Gains of the stems: `stem_gains`, `stem_levels` ---

# frames | 3.7 s in which the gain of a band is constant | [sound]
TILE_FRAMES = 80
# iterations | of the alternating least squares, which settle within six | [bounds]
LEAST_SQUARES_ITERATIONS = 12
# share of the strongest tile | a weaker tile does not count | [sound]
MIN_TILE_ENERGY = 1e-6
# share of the energy of a tile | no tile counts for more than one that is explained to 20 dB | [sound]
MIN_TILE_RESIDUAL = 0.01
# ratio of gains | 2.3 dB: codecs stay within 1.1, but for two; a melody 3.5 dB louder has 1.4 | [sound]
MAX_GAIN_RATIO = 1.3
# gain | -14 dB: nobody hears a stem with a lower one, it is missing | [sound]
MISSING_GAIN = 0.2
# share of the song's energy | that a stem needs for its gain to be measured | [sound]
MIN_STEM_ENERGY = 0.005
# share of the gain in the song's own mixture | the largest standard error of a gain that counts | [sound]
MAX_GAIN_ERROR = 0.03
# share of the song's energy | in stems whose gains count, for the mix to be told the same | [sound]
MIN_JUDGED_ENERGY = 0.5
# tiles | 15 s: a stem that is missing for so long is a verse that nobody sings | [local]
INTERRUPTION_TILES = 4
# share of the song's energy | that a stem needs in those 15 s | [local]
MIN_INTERRUPTED_STEM_ENERGY = 0.05
# share of the mean energy | in a quieter stretch no interruption is looked for | [local]
MIN_INTERRUPTION_ENERGY = 0.05

# --- Local residual: `residual` ---

# frames | 0.37 s: the segment in which the song has one gain | [local]
SEGMENT_FRAMES = 8
# segments | 4 s: the window in which shares are taken | [local]
WINDOW_SEGMENTS = 11
# power | 12 dB: a bin louder than this beside the song did not come from it | [local]
EXCESS_RATIO = 16.0
# share of the energy of any 4 s | in such bins. Codecs: 10**-2.2 at most, a voice at -6 dB: 10**-1.05 | [local]
MAX_LOCAL_EXCESS = 10**-1.4
# share of the song's energy | in bins that stand out above the file, over all of it | [sound]
MAX_MISSING_EXCESS = 10**-2.5
# times the file's own excess | that the two shares above may be larger: encoders that take much add much | [sound]
MISSING_EXCESS_ALLOWANCE = 8.0
# share of the energy of any 4 s | that is unexplained: above it something else plays there | [local]
MAX_LOCAL_RESIDUAL = 0.5
# share of the energy of any 4 s | the same where it is quiet, and noise may be as loud as the song | [local]
MAX_QUIET_LOCAL_RESIDUAL = 0.8
# share of the mean energy | a window above it is loud | [local]
LOUD_ENERGY = 0.05
# share of the mean energy | a window below it says nothing | [local]
AUDIBLE_ENERGY = 0.005
# power | of the song in a segment, below which the file is muted. Codecs keep 10**-1.3 at least | [attacks]
MUTED_RATIO = 10**-3

# --- Added sound: `additions` ---

# frames | 0.14 s of a whole band: an encoder keeps its energy, whatever becomes of the bins | [sound]
BURST_FRAMES = 2
# power | 6 dB: a burst is louder than this beside the song | [sound]
BURST_RATIO = 4.0
# frames | 0.7 s of one bin; `TILE_FRAMES` is a multiple of it | [sound]
TONE_FRAMES = 16
# power | 2 dB: a tone is louder than this beside the song | [sound]
TONE_RATIO = 1.6
# share of its energy | that turns by one angle from frame to frame: all of a tone, a third of noise | [sound]
MIN_TONE_STEADINESS = 0.8
# power | 6 dB: a bin of the song that is weaker than this in the file is lost | [sound]
LOST_RATIO = 4.0
# times | the noise floor that bursts and tones have to exceed | [sound]
NOISE_MARGIN = 2
# share of the frames | the quietest ones give the noise floor for bursts | [sound]
NOISE_QUANTILE = 0.1
# share of the energy | in bursts, at most, with nothing lost | [sound]
MAX_BURST_ENERGY = 10**-2.85
# share of the energy | in tones, at most, with nothing lost | [sound]
MAX_TONE_ENERGY = 10**-3.65
# times the lost energy | that the share of bursts may be larger: whoever adds something loses nothing | [sound]
BURST_ALLOWANCE = 8.0
# times the lost energy | the same for tones | [sound]
TONE_ALLOWANCE = 1.0
# share of the energy | that counts as lost, at most: stereo AAC at 32 kbit/s loses 10**-2.6 | [sound]
MAX_COUNTED_LOSS = 10**-2.5
# share of the song's energy | in tones that the file lacks, at most, with nothing added | [sound]
MAX_LACKING_TONE_ENERGY = 10**-3.3
# times the added energy | that this share may be larger: an encoder that takes tones adds much | [sound]
LACKING_TONE_ALLOWANCE = 8.0

# --- The comparison with a catalogue: `pipeline` ---

# songs | whose sound is compared with one file | [bounds]
MAX_SOUND_COMPARISONS = 3
# comparisons | that are kept of one file | [bounds]
MAX_COMPARISONS = 10
