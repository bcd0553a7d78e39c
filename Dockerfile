# One image for web, worker, beat, migrate (and, in the profile "demo", the simulator).
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt

COPY . .
# Static files need no secret; this one signs nothing and stays in this layer's command only.
RUN python -m cardshop.translations \
    && SECRET_KEY=only-for-collectstatic STATIC_ROOT=/app/staticfiles python manage.py collectstatic --noinput -v 0 \
    && useradd --system --uid 10001 --home-dir /app cardshop \
    && install -d -o cardshop -g cardshop /data /data/media /data/sent /data/simulator /data/beat

USER cardshop
ENV STATIC_ROOT=/app/staticfiles MEDIA_ROOT=/data/media
EXPOSE 8000
CMD ["gunicorn", "cardshop.wsgi", "--bind", "0.0.0.0:8000", "--no-control-socket", "--worker-class", "gthread", \
     "--workers", "2", "--threads", "8", "--graceful-timeout", "20"]
