/** A file with exactly the keys of the configuration chapter, for tests. */
export const CHAPTER_FILE = `pipeline_name: customer_churn_prediction
version: "1.0"
data:
  source_path: s3://company-data/customers/raw/
  output_path: s3://company-data/customers/processed/
  num_partitions: 2000
  file_format: parquet
  compression: snappy
  validation_rules:
    required_columns: [customer_id, tenure, monthly_charges, churn]
    non_null_columns: [customer_id, churn]
    value_ranges:
      tenure: [0, 100]
      monthly_charges: [0, 1000]
    unique_columns: [customer_id]
    min_records: 10000
training:
  model_type: neural_network
  num_workers: 8
  num_gpus_per_worker: 1
  batch_size: 512
  max_epochs: 50
  learning_rate: 0.001
  checkpoint_freq: 5
  early_stopping_patience: 10
resources:
  num_nodes: 8
  cpus_per_node: 32
  memory_per_node: 128GB
  gpus_per_node: 4
  storage_type: ssd
  network_bandwidth: 25Gbps
monitoring:
  metrics_interval: 30
  log_level: INFO
  alert_thresholds:
    accuracy: 0.85
    latency_p99: 100.0
    error_rate: 0.01
  dashboard_url: null
`
