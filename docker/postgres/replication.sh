# Run once, on an empty data folder, by the image's start script: base backups and the write-ahead log are read over
# replication connections, which its own rules leave out.
echo "host replication broker all scram-sha-256" >> "$PGDATA/pg_hba.conf"
