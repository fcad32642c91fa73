# The course's targets; `make help` lists them. GNU make 3.81 suffices.

LESSONS := $(sort $(patsubst %/Makefile,%,$(wildcard [0-9][0-9]_*/Makefile)))
NUMBERS := $(foreach lesson,$(LESSONS),$(firstword $(subst _, ,$(lesson))))
PYTHON  ?= python3
SANITIZE ?=
# sanitized programs live beside the plain ones, not in their place: build/thread/03_threaded/server
comma   := ,
BUILD   := $(if $(SANITIZE),build/$(firstword $(subst $(comma), ,$(SANITIZE))))
number   = $(firstword $(subst _, ,$(1)))
folder   = $(filter $(call number,$(1))_%,$(LESSONS))

export SANITIZE

all: $(LESSONS) ## build every lesson (the same as plain `make`)

$(LESSONS): have-cc
	@$(MAKE) --no-print-directory -C $@ $(if $(BUILD),OUT=../$(BUILD)/$@)

$(NUMBERS): ## make 03, make 03_threaded: build one lesson
	@$(MAKE) --no-print-directory $(call folder,$@)

have-cc:
	@command -v $(firstword $(CC)) >/dev/null || { echo "no C compiler $(CC) here: see make doctor" >&2; exit 1; }

have-python:
	@command -v $(firstword $(PYTHON)) >/dev/null || { \
		echo "no $(PYTHON) here: see docs/install.md, or make PYTHON=..." >&2; exit 1; }

built: have-python # without a word: what is built is not what was asked for
	@$(MAKE) --no-print-directory -s all

demo: built ## run every lesson once and show both sides
	@$(PYTHON) scripts/demo --all

demo-%: built ## make demo-03: in class, in tmux; ARGS=--plain: a text
	@$(PYTHON) scripts/demo $* $(ARGS)

test: have-python all ## run every test; SANITIZE=thread: sanitized
	@$(if $(BUILD),$(MAKE) --no-print-directory -s SANITIZE= all) # for the scripts' own tests
	@COURSE_BUILD=$(BUILD) $(PYTHON) tests/run.py $(if $(BUILD),test_0) # sanitized: what tests the lessons' programs

test-%: have-python all ## make test-03: the tests of one lesson
	@key=$$($(PYTHON) scripts/lessons.py $*) && COURSE_BUILD=$(BUILD) $(PYTHON) tests/run.py test_$${key}_

diff-%: have-python ## make diff-03: what 03's server changes in 02's
	@$(PYTHON) scripts/check-lessons --diff $*

experiments: have-python ## run every experiment, briefly: belief and truth
	@$(PYTHON) scripts/experiment --all

experiment-%: have-python ## make experiment-backlog: predict, run one, see why
	@$(PYTHON) scripts/experiment $*

trace-%: built ## make trace-03: both sides' calls, drawn; ARGS=--help
	@$(PYTHON) scripts/trace $* $(ARGS)

compare: built ## C against Python in every lesson, briefly
	@$(PYTHON) scripts/compare --all

compare-%: built ## make compare-03: every byte; ARGS=--help: more
	@$(PYTHON) scripts/compare $* $(ARGS)

watch-%: have-python ## make watch-03: build and test 03 at every save
	@$(PYTHON) scripts/watch $*

doctor: have-python ## say what is missing here, and what to type
	@$(PYTHON) scripts/doctor

plot plot-06: have-python 06 ## draw a run of lesson 06, in build/plot; ARGS=--help
	@$(PYTHON) scripts/plot $(ARGS)

bench: built ## how fast: 04 beside nginx, curl; ARGS=--quick
	@$(PYTHON) scripts/bench $(ARGS)

check: have-python all ## everything that CI runs
	@scripts/check

FUZZERS := $(patsubst tests/%.c,build/%,$(wildcard tests/fuzz/*.c))

fuzz: $(FUZZERS) ## fuzz the parsers, 5 s each; SECONDS=600: for longer
	@for fuzzer in $(FUZZERS); do \
		mkdir -p $$fuzzer-found; \
		$$fuzzer -max_total_time=$(or $(SECONDS),5) -timeout=10 -artifact_prefix=$$fuzzer- $$fuzzer-found \
			tests/fuzz/corpus/$$(basename $$fuzzer) >$$fuzzer.log 2>&1 \
			&& grep -H '^Done' $$fuzzer.log || { tail -50 $$fuzzer.log; exit 1; }; done

build/fuzz/%: tests/fuzz/%.c $(wildcard 04_http_get/*.c)
	@command -v clang >/dev/null || { echo "clang is missing: see make doctor" >&2; exit 1; }
	@mkdir -p build/fuzz
	clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -pthread $< -o $@

docs-update: have-python all ## rewrite what the pages take from code and runs
	@echo "running all that the pages show: about a minute"
	@scripts/check-docs --update

clean: ## remove everything that make built
	@for lesson in $(LESSONS); do $(MAKE) --no-print-directory -C $$lesson clean; done
	rm -rf build

help: ## show this list
	@awk -F ':.*## ' '/^[a-z$$(][^:=]*:.*## / { sub(/\$$\(NUMBERS\)/, "01 02 ..."); \
		printf "  make %-18s %s\n", $$1, $$2 }' Makefile

.SUFFIXES: # make demo- would look for a demo-.o

.PHONY: all built have-cc have-python bench compare demo doctor plot plot-06 test experiments check clean help $(LESSONS) $(NUMBERS)
