# 卡盟退款 · card-shop refunds. `make help` lists everything.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
IN_PRODUCTION := $(BIN)/python tests/production.py

.DEFAULT_GOAL := help
.PHONY: help venv demo doctor test bench bench-scale lighthouse screenshots check nightly requirements messages secrets lock clean

help: ## 列出全部命令 / list all commands
	@echo "make …"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "变量 / variables: PORT=8000 HOST=127.0.0.1 CARDSHOP_DATA=.local RESET=1 DEMO_SPEED=60 DATABASE_URL=… REDIS_URL=…"

venv: .venv/.installed ## 只建立 .venv / make the virtual environment, nothing else

demo: venv ## 一键演示：商城、后台、Celery、模拟器 / run the whole shop on this machine
	@$(BIN)/python -m cardshop.demo

doctor: venv ## 体检正在运行的演示 / check the running demo and say what to do
	@$(BIN)/python -m cardshop.demo doctor

# Images often forbid Python to keep what it compiled. Every process of a stack that a test starts would compile it all.
test nightly: export PYTHONDONTWRITEBYTECODE :=

test: venv ## 全部测试（真实 PostgreSQL、Valkey、模拟器、浏览器）/ all tests, on real parts
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not stack and not browser and not nightly"
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder -m "(stack or browser) and not nightly"

nightly: venv ## 耗时的测试 / the long tests
	$(BIN)/python -m pytest -m nightly

bench: venv ## 速度与开销，同一次运行内的比值 / speed and cost, as ratios within one run
	$(BIN)/python -m bench

bench-scale: venv ## 百万订单时每个列表的数据库时间与查询计划 / every list at 1,000,000 orders: database time, plan
	$(IN_PRODUCTION) $(BIN)/python -m bench.scale

lighthouse: venv ## 申请退款各页的 Lighthouse 得分，写入 docs/lighthouse.md（需 Node 20）/ Lighthouse on an application's pages
	$(BIN)/python -m tests.lighthouse

screenshots: venv ## 按角色拍下退款的每一页，写入 docs/screens.md / pictures of every page of a refund, by role
	$(BIN)/python -m tests.screenshots

check: venv ## 风格、类型、导入方向、迁移、部署检查 / style, types, imports, migrations, deployment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(IN_PRODUCTION) $(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(IN_PRODUCTION) $(BIN)/python manage.py makemigrations --check --dry-run
	$(IN_PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(IN_PRODUCTION) $(BIN)/python manage.py lifecycle --check
	$(BIN)/docker-compose config -q
	$(BIN)/docker-compose --profile demo config -q

requirements: venv ## 每条要求与证明它的测试 / every requirement with the test that proves it
	@$(BIN)/python -m tests.rules

messages: venv ## 编译译文 / compile the translations
	$(BIN)/python -m cardshop.translations

secrets: venv ## 为 docker compose 生成 secrets/ / make the secret files for docker compose
	@$(BIN)/python -m cardshop.outside --secrets secrets

lock: venv ## 重新锁定依赖 / lock the dependencies of pyproject.toml anew
	$(BIN)/uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-header -c requirements.txt --extra dev pyproject.toml -o requirements-dev.txt

clean: ## 删除 .venv 与缓存，保留演示数据 / delete .venv and caches, keep the demo's data
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis staticfiles test-results

.venv/.installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { echo "✗ 需要 Python 3.11 / Python 3.11 is needed: make venv PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "✗ 缺少 venv 模块 / the venv module is missing: sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < 1_500_000_000)' || { echo "✗ 磁盘空间不足 / disk full: .venv needs 1.5 GB"; exit 1; }
	@echo "安装依赖到 .venv（约 1 分钟）/ installing into .venv (about a minute) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
