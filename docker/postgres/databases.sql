-- Run once, on an empty data folder: the broker's database is made by the image itself (POSTGRES_DB).
CREATE DATABASE dagster;
