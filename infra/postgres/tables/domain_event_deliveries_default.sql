-- Takes the receipts of a day that has no partition.
CREATE TABLE domain_event_deliveries_default PARTITION OF domain_event_deliveries DEFAULT;
