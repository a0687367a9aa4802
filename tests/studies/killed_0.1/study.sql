BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'toy');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'meaning','{"trainer": "toy.py", "options": {}, "objective": {"metric": "val/macro_f1", "goal": "maximize", "at": "best"}, "epochs": 8, "seeds": 1, "seed": 0, "params": {"speed": {"kind": "float", "low": 0.05, "high": 2.0, "log": true}, "dead": {"kind": "categorical", "choice": [false, true]}}, "constraints": [], "signatures": {"branch_collapse": {"patience": 5, "points": 0.2, "grace": 0.25, "blind": 0.67}, "chance_plateau": {"patience": 5, "late": 0.4, "band": 0.08, "grace": 0.25, "blind": 0.67}, "constant_prediction": {"patience": 5, "share": 0.995, "grace": 0.25, "blind": 0.67}, "explosion": {"patience": 6, "ratio": 5.0, "grace": 0.1, "blind": 0.67}, "hopelessly_slow": {"patience": 5, "least": 0.05, "band": 0.08, "grace": 0.3, "blind": 0.67}, "late_collapse": {"patience": 5, "windows": 3, "learned": 0.1, "grace": 0.25, "blind": 0.67}, "minority_prediction": {"patience": 5, "share": 0.995, "grace": 0.375, "blind": 0.67}, "no_positives": {"patience": 5, "grace": 0.25, "blind": 0.67}, "non_finite": {"patience": 2}}, "early_stopping": null, "gates": []}');
INSERT INTO "study_user_attributes" VALUES(2,1,'trials','6');
INSERT INTO "study_user_attributes" VALUES(3,1,'trials in the space','6');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,2,5,0.4118,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'speed',0.5,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 2.0, "log": true}}');
INSERT INTO "trial_params" VALUES(2,1,'dead',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(3,2,'speed',1.5,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 2.0, "log": true}}');
INSERT INTO "trial_params" VALUES(4,2,'dead',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(5,3,'speed',0.3,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 2.0, "log": true}}');
INSERT INTO "trial_params" VALUES(6,3,'dead',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
INSERT INTO "trial_params" VALUES(7,4,'speed',0.7,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 2.0, "log": true}}');
INSERT INTO "trial_params" VALUES(8,4,'dead',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [false, true]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"speed": 0.5, "dead": false}');
INSERT INTO "trial_system_attributes" VALUES(2,2,'fixed_params','{"speed": 1.5, "dead": true}');
INSERT INTO "trial_system_attributes" VALUES(3,3,'fixed_params','{"speed": 0.3, "dead": false}');
INSERT INTO "trial_system_attributes" VALUES(4,4,'fixed_params','{"speed": 0.7, "dead": false}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'params','{"speed": 0.5, "dead": false}');
INSERT INTO "trial_user_attributes" VALUES(2,1,'point','0');
INSERT INTO "trial_user_attributes" VALUES(3,1,'epochs','8');
INSERT INTO "trial_user_attributes" VALUES(4,2,'params','{"speed": 1.5, "dead": true}');
INSERT INTO "trial_user_attributes" VALUES(5,2,'point','1');
INSERT INTO "trial_user_attributes" VALUES(6,2,'epochs','5');
INSERT INTO "trial_user_attributes" VALUES(7,2,'verdicts','[{"signature": "constant_prediction", "step": 5, "action": "park", "reason": "majority collapse: predicted class 0 for all 100 validation samples in epochs 1-5; no life sign: val/loss 0.6109 to 0.6109, not accelerating, val/macro_f1 0.4118 to 0.4118", "evidence": {"val/macro_f1": 0.4118, "val/loss": 0.6109, "val/predicted/0": 100.0, "val/predicted/1": 0.0}, "remedy": "raise the minority''s alpha ratio or class weight towards 2.3 : 1, the inverse of the class counts, start the output bias at the class prior, draw balanced batches, warm up for longer; if the loss does not move at all, change the learning rate tenfold", "change": {"prior_bias": true}}]');
INSERT INTO "trial_user_attributes" VALUES(8,3,'params','{"speed": 0.3, "dead": false}');
INSERT INTO "trial_user_attributes" VALUES(9,3,'point','2');
INSERT INTO "trial_user_attributes" VALUES(10,3,'epochs','8');
INSERT INTO "trial_user_attributes" VALUES(11,4,'params','{"speed": 0.7, "dead": false}');
INSERT INTO "trial_user_attributes" VALUES(12,4,'point','3');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,7.41055253354530707454e-01,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.4118,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,8.01072410451558414301e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-27 08:31:20.085315','2026-11-27 08:31:20.112564');
INSERT INTO "trials" VALUES(2,1,1,'PRUNED','2026-11-27 08:31:20.119234','2026-11-27 08:31:20.133281');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-27 08:31:20.137846','2026-11-27 08:31:20.147172');
INSERT INTO "trials" VALUES(4,3,1,'RUNNING','2026-11-27 08:31:20.150398',NULL);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
