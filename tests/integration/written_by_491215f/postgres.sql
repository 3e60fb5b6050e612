CREATE TYPE public.studydirection AS ENUM (
    'NOT_SET',
    'MINIMIZE',
    'MAXIMIZE'
);
CREATE TYPE public.trialintermediatevaluetype AS ENUM (
    'FINITE',
    'INF_POS',
    'INF_NEG',
    'NAN'
);
CREATE TYPE public.trialstate AS ENUM (
    'RUNNING',
    'COMPLETE',
    'PRUNED',
    'FAIL',
    'WAITING'
);
CREATE TYPE public.trialvaluetype AS ENUM (
    'FINITE',
    'INF_POS',
    'INF_NEG'
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.studies (
    study_id integer NOT NULL,
    study_name character varying(512) NOT NULL
);
CREATE SEQUENCE public.studies_study_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.studies_study_id_seq OWNED BY public.studies.study_id;
CREATE TABLE public.study_directions (
    study_direction_id integer NOT NULL,
    direction public.studydirection NOT NULL,
    study_id integer NOT NULL,
    objective integer NOT NULL
);
CREATE SEQUENCE public.study_directions_study_direction_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.study_directions_study_direction_id_seq OWNED BY public.study_directions.study_direction_id;
CREATE TABLE public.study_system_attributes (
    study_system_attribute_id integer NOT NULL,
    study_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.study_system_attributes_study_system_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.study_system_attributes_study_system_attribute_id_seq OWNED BY public.study_system_attributes.study_system_attribute_id;
CREATE TABLE public.study_user_attributes (
    study_user_attribute_id integer NOT NULL,
    study_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.study_user_attributes_study_user_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.study_user_attributes_study_user_attribute_id_seq OWNED BY public.study_user_attributes.study_user_attribute_id;
CREATE TABLE public.trial_heartbeats (
    trial_heartbeat_id integer NOT NULL,
    trial_id integer NOT NULL,
    heartbeat timestamp without time zone NOT NULL
);
CREATE SEQUENCE public.trial_heartbeats_trial_heartbeat_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_heartbeats_trial_heartbeat_id_seq OWNED BY public.trial_heartbeats.trial_heartbeat_id;
CREATE TABLE public.trial_intermediate_values (
    trial_intermediate_value_id integer NOT NULL,
    trial_id integer NOT NULL,
    step integer NOT NULL,
    intermediate_value double precision,
    intermediate_value_type public.trialintermediatevaluetype NOT NULL
);
CREATE SEQUENCE public.trial_intermediate_values_trial_intermediate_value_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_intermediate_values_trial_intermediate_value_id_seq OWNED BY public.trial_intermediate_values.trial_intermediate_value_id;
CREATE TABLE public.trial_params (
    param_id integer NOT NULL,
    trial_id integer,
    param_name character varying(512),
    param_value double precision,
    distribution_json text
);
CREATE SEQUENCE public.trial_params_param_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_params_param_id_seq OWNED BY public.trial_params.param_id;
CREATE TABLE public.trial_system_attributes (
    trial_system_attribute_id integer NOT NULL,
    trial_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.trial_system_attributes_trial_system_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_system_attributes_trial_system_attribute_id_seq OWNED BY public.trial_system_attributes.trial_system_attribute_id;
CREATE TABLE public.trial_user_attributes (
    trial_user_attribute_id integer NOT NULL,
    trial_id integer,
    key character varying(512),
    value_json text
);
CREATE SEQUENCE public.trial_user_attributes_trial_user_attribute_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_user_attributes_trial_user_attribute_id_seq OWNED BY public.trial_user_attributes.trial_user_attribute_id;
CREATE TABLE public.trial_values (
    trial_value_id integer NOT NULL,
    trial_id integer NOT NULL,
    objective integer NOT NULL,
    value double precision,
    value_type public.trialvaluetype NOT NULL
);
CREATE SEQUENCE public.trial_values_trial_value_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trial_values_trial_value_id_seq OWNED BY public.trial_values.trial_value_id;
CREATE TABLE public.trials (
    trial_id integer NOT NULL,
    number integer,
    study_id integer,
    state public.trialstate NOT NULL,
    datetime_start timestamp without time zone,
    datetime_complete timestamp without time zone
);
CREATE SEQUENCE public.trials_trial_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trials_trial_id_seq OWNED BY public.trials.trial_id;
CREATE TABLE public.version_info (
    version_info_id integer NOT NULL,
    schema_version integer,
    library_version character varying(256),
    CONSTRAINT version_info_version_info_id_check CHECK ((version_info_id = 1))
);
ALTER TABLE ONLY public.studies ALTER COLUMN study_id SET DEFAULT nextval('public.studies_study_id_seq'::regclass);
ALTER TABLE ONLY public.study_directions ALTER COLUMN study_direction_id SET DEFAULT nextval('public.study_directions_study_direction_id_seq'::regclass);
ALTER TABLE ONLY public.study_system_attributes ALTER COLUMN study_system_attribute_id SET DEFAULT nextval('public.study_system_attributes_study_system_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.study_user_attributes ALTER COLUMN study_user_attribute_id SET DEFAULT nextval('public.study_user_attributes_study_user_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.trial_heartbeats ALTER COLUMN trial_heartbeat_id SET DEFAULT nextval('public.trial_heartbeats_trial_heartbeat_id_seq'::regclass);
ALTER TABLE ONLY public.trial_intermediate_values ALTER COLUMN trial_intermediate_value_id SET DEFAULT nextval('public.trial_intermediate_values_trial_intermediate_value_id_seq'::regclass);
ALTER TABLE ONLY public.trial_params ALTER COLUMN param_id SET DEFAULT nextval('public.trial_params_param_id_seq'::regclass);
ALTER TABLE ONLY public.trial_system_attributes ALTER COLUMN trial_system_attribute_id SET DEFAULT nextval('public.trial_system_attributes_trial_system_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.trial_user_attributes ALTER COLUMN trial_user_attribute_id SET DEFAULT nextval('public.trial_user_attributes_trial_user_attribute_id_seq'::regclass);
ALTER TABLE ONLY public.trial_values ALTER COLUMN trial_value_id SET DEFAULT nextval('public.trial_values_trial_value_id_seq'::regclass);
ALTER TABLE ONLY public.trials ALTER COLUMN trial_id SET DEFAULT nextval('public.trials_trial_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('v3.2.0.a');
INSERT INTO public.studies VALUES (1, 'small');
INSERT INTO public.studies VALUES (2, 'small/support/2/cross_entropy');
INSERT INTO public.studies VALUES (3, 'small/support/2/soft_triple');
INSERT INTO public.studies VALUES (4, 'small/support/2/supcon');
INSERT INTO public.study_directions VALUES (1, 'MAXIMIZE', 1, 0);
INSERT INTO public.study_directions VALUES (2, 'MAXIMIZE', 2, 0);
INSERT INTO public.study_directions VALUES (3, 'MAXIMIZE', 3, 0);
INSERT INTO public.study_directions VALUES (4, 'MAXIMIZE', 4, 0);
INSERT INTO public.study_user_attributes VALUES (1, 1, 'created', '1795763832.1353033');
INSERT INTO public.study_user_attributes VALUES (2, 1, 'id', '"aeb85c7401b94850a76681ea1750f68a"');
INSERT INTO public.study_user_attributes VALUES (3, 1, 'spec', '{"name": "small", "description": "", "datasets": {"support": {"text": "text", "label": "label", "train_split": "train", "test_share": 0.25}}, "compare": {"dataset": ["support"], "shots": [2], "loss": ["cross_entropy", "soft_triple", "supcon"]}, "search": {"beta": {"low": 0.05, "high": 0.95, "log": false}, "proxy_lr": {"low": 0.0001, "high": 0.1, "log": true}, "encoder_lr": {"low": 5e-05, "high": 0.0005, "log": true}, "soft_triple": {"centers_per_class": {"low": 1, "high": 50, "log": true}, "la": {"low": 1.0, "high": 100.0, "log": true}, "gamma": {"low": 0.01, "high": 1.0, "log": true}, "margin": {"low": 0.0, "high": 1.0, "log": false}}, "supcon": {"temperature": {"low": 0.03, "high": 1.0, "log": true}}}, "trial": {"sampling": "per_class", "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "batch_size": 8, "precision": "auto", "compatibility": "none"}, "protocol": {"replicates": 2, "evaluations": 2, "steps": 4, "validation": 40, "metric": "accuracy", "seed": 0}, "budget": {"trials_per_cell": 4, "hours": null, "gpu_hours": null, "total_replicates": null, "target_score": null, "failures": 5, "stall_minutes": 60.0, "concurrency": 1}, "pruning": {"rule": "asha", "reduction_factor": 2, "min_records": null, "rungs": null, "adaptive": false}, "confirm": {"draws": 3, "baseline": null, "finalists": 2, "finalist_draws": 1, "reseeded": 1}, "resources": {"cpu": 1.0, "gpu": "auto"}, "tracking": {"experiment": "few-shot-sweep", "uri": null, "required": true}, "ledger": "postgresql://postgres@127.0.0.1:55432/sweeps", "prices": {}}');
INSERT INTO public.study_user_attributes VALUES (4, 1, 'facts', '{"python": "3.11.7", "platform": "Linux", "cpus": "2", "version.few-shot-sweep": "0.1.0", "version.ray": "2.60.0", "version.optuna": "5.0.0", "version.torch": "2.13.0+cpu", "version.transformers": "5.23.0", "version.datasets": "5.2.0", "version.pytorch-metric-learning": "2.9.0", "version.mlflow": "3.17.2", "git_commit": "491215f843d77f03d624867cc706aafc34d187c1"}');
INSERT INTO public.study_user_attributes VALUES (5, 1, 'data', '{"support": {"name": "support", "class_names": ["account_access", "account_change", "cancel_order", "change_delivery", "delivery_delay", "payment_problem", "refund_status", "return_item"], "pool": 560, "test": 280, "test_counts": [35, 35, 35, 35, 35, 35, 35, 35], "notes": []}}');
INSERT INTO public.study_user_attributes VALUES (6, 1, 'state', '"running"');
INSERT INTO public.study_user_attributes VALUES (7, 2, 'protocol', '{"cross_entropy": {"sampling": "per_class", "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "steps": 4, "validation": 40, "metric": "accuracy", "seed": 0, "dataset": "support", "shots": 2, "loss": "cross_entropy", "encoder_lr": {"low": 5e-05, "high": 0.0005, "log": true}}}');
INSERT INTO public.study_user_attributes VALUES (8, 3, 'protocol', '{"soft_triple": {"sampling": "per_class", "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "steps": 4, "validation": 40, "metric": "accuracy", "seed": 0, "dataset": "support", "shots": 2, "loss": "soft_triple", "beta": {"low": 0.05, "high": 0.95, "log": false}, "proxy_lr": {"low": 0.0001, "high": 0.1, "log": true}, "encoder_lr": {"low": 5e-05, "high": 0.0005, "log": true}, "loss.centers_per_class": {"low": 1, "high": 50, "log": true}, "loss.la": {"low": 1.0, "high": 100.0, "log": true}, "loss.gamma": {"low": 0.01, "high": 1.0, "log": true}, "loss.margin": {"low": 0.0, "high": 1.0, "log": false}}}');
INSERT INTO public.study_user_attributes VALUES (9, 4, 'protocol', '{"supcon": {"sampling": "per_class", "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "steps": 4, "validation": 40, "metric": "accuracy", "seed": 0, "dataset": "support", "shots": 2, "loss": "supcon", "beta": {"low": 0.05, "high": 0.95, "log": false}, "encoder_lr": {"low": 5e-05, "high": 0.0005, "log": true}, "loss.temperature": {"low": 0.03, "high": 1.0, "log": true}}}');
INSERT INTO public.study_user_attributes VALUES (10, 1, 'run_id', '"4163df0f9c054c97ac057e36136b6d14"');
INSERT INTO public.study_user_attributes VALUES (11, 2, 'run/0', '"094ab944fadd4895beef6ddb2eff807b"');
INSERT INTO public.study_user_attributes VALUES (12, 3, 'run/0', '"c77e69b5bfc945cdb326d9ff28e33c0b"');
INSERT INTO public.study_user_attributes VALUES (13, 4, 'run/0', '"60b16bd28f4f4716916163a32112beb4"');
INSERT INTO public.study_user_attributes VALUES (14, 2, 'run/1', '"993597f57a284e3c85418668fe8e1be9"');
INSERT INTO public.study_user_attributes VALUES (15, 3, 'run/1', '"b06a8f714dd74e85aff9a046be138434"');
INSERT INTO public.study_user_attributes VALUES (16, 4, 'run/1', '"34c143442d9e4b439e2d8401b41b9223"');
INSERT INTO public.study_user_attributes VALUES (17, 2, 'run/2', '"9b6dd342879f41c2aad8686d5052cdc9"');
INSERT INTO public.study_user_attributes VALUES (18, 3, 'run/2', '"82a459ef84e64210a0ad78484939732f"');
INSERT INTO public.study_user_attributes VALUES (19, 4, 'run/2', '"b993baf2fb2a4f5692e434fbe74175e3"');
INSERT INTO public.trial_intermediate_values VALUES (1, 1, 1, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (2, 1, 2, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (3, 1, 3, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (4, 1, 4, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (5, 2, 1, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (6, 2, 2, 0.15, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (7, 2, 3, 0.15, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (8, 2, 4, 0.15, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (9, 3, 1, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (10, 3, 2, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (11, 3, 3, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (12, 3, 4, 0.16249999999999998, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (13, 4, 1, 0.225, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (14, 4, 2, 0.225, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (15, 4, 3, 0.225, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (16, 4, 4, 0.1875, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (17, 5, 1, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (18, 5, 2, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (19, 5, 3, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (20, 5, 4, 0.1625, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (21, 6, 1, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (22, 6, 2, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (23, 6, 3, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (24, 6, 4, 0.16249999999999998, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (25, 7, 1, 0.225, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (26, 7, 2, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (27, 8, 1, 0.2, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (28, 8, 2, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (29, 9, 1, 0.175, 'FINITE');
INSERT INTO public.trial_intermediate_values VALUES (30, 9, 2, 0.175, 'FINITE');
INSERT INTO public.trial_params VALUES (1, 1, 'encoder_lr', 5e-05, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (2, 2, 'beta', 0.5, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 0.95, "log": false}}');
INSERT INTO public.trial_params VALUES (3, 2, 'proxy_lr', 0.01, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO public.trial_params VALUES (4, 2, 'encoder_lr', 5e-05, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (5, 2, 'loss.centers_per_class', 10, '{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO public.trial_params VALUES (6, 2, 'loss.la', 20, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 100.0, "log": true}}');
INSERT INTO public.trial_params VALUES (7, 2, 'loss.gamma', 0.1, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.01, "high": 1.0, "log": true}}');
INSERT INTO public.trial_params VALUES (8, 2, 'loss.margin', 0.01, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO public.trial_params VALUES (9, 3, 'beta', 0.5, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 0.95, "log": false}}');
INSERT INTO public.trial_params VALUES (10, 3, 'encoder_lr', 5e-05, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (11, 3, 'loss.temperature', 0.1, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.03, "high": 1.0, "log": true}}');
INSERT INTO public.trial_params VALUES (12, 4, 'encoder_lr', 0.0003120864054724972, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (13, 5, 'beta', 0.48105091039242176, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 0.95, "log": false}}');
INSERT INTO public.trial_params VALUES (14, 5, 'proxy_lr', 0.04325502339805524, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO public.trial_params VALUES (15, 5, 'encoder_lr', 0.0002163099778380894, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (16, 5, 'loss.centers_per_class', 21, '{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO public.trial_params VALUES (17, 5, 'loss.la', 39.04083229303502, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 100.0, "log": true}}');
INSERT INTO public.trial_params VALUES (18, 5, 'loss.gamma', 0.06648814110827726, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.01, "high": 1.0, "log": true}}');
INSERT INTO public.trial_params VALUES (19, 5, 'loss.margin', 0.6232266349099986, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO public.trial_params VALUES (20, 6, 'beta', 0.09422978801249035, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 0.95, "log": false}}');
INSERT INTO public.trial_params VALUES (21, 6, 'encoder_lr', 6.52192638896765e-05, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (22, 6, 'loss.temperature', 0.11460256279491154, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.03, "high": 1.0, "log": true}}');
INSERT INTO public.trial_params VALUES (23, 7, 'encoder_lr', 0.0003732012139310784, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (24, 8, 'beta', 0.11663165637121455, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 0.95, "log": false}}');
INSERT INTO public.trial_params VALUES (25, 8, 'proxy_lr', 0.0004987933719980458, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO public.trial_params VALUES (26, 8, 'encoder_lr', 0.0001676779854761801, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (27, 8, 'loss.centers_per_class', 8, '{"name": "IntDistribution", "attributes": {"log": true, "step": 1, "low": 1, "high": 50}}');
INSERT INTO public.trial_params VALUES (28, 8, 'loss.la', 4.529249557832614, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 1.0, "high": 100.0, "log": true}}');
INSERT INTO public.trial_params VALUES (29, 8, 'loss.gamma', 0.019469553818906773, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.01, "high": 1.0, "log": true}}');
INSERT INTO public.trial_params VALUES (30, 8, 'loss.margin', 0.2941548052893226, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}');
INSERT INTO public.trial_params VALUES (31, 9, 'beta', 0.7835310385598723, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.05, "high": 0.95, "log": false}}');
INSERT INTO public.trial_params VALUES (32, 9, 'encoder_lr', 6.518231798514685e-05, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 5e-05, "high": 0.0005, "log": true}}');
INSERT INTO public.trial_params VALUES (33, 9, 'loss.temperature', 0.04830978199048819, '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.03, "high": 1.0, "log": true}}');
INSERT INTO public.trial_system_attributes VALUES (1, 1, 'fixed_params', '{"encoder_lr": 5e-05}');
INSERT INTO public.trial_system_attributes VALUES (2, 2, 'fixed_params', '{"beta": 0.5, "proxy_lr": 0.01, "encoder_lr": 5e-05, "loss.centers_per_class": 10, "loss.la": 20.0, "loss.gamma": 0.1, "loss.margin": 0.01}');
INSERT INTO public.trial_system_attributes VALUES (3, 3, 'fixed_params', '{"beta": 0.5, "encoder_lr": 5e-05, "loss.temperature": 0.1}');
INSERT INTO public.trial_user_attributes VALUES (1, 1, 'started', '1795763837.5160697');
INSERT INTO public.trial_user_attributes VALUES (2, 1, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (3, 1, 'params', '{"encoder_lr": 5e-05}');
INSERT INTO public.trial_user_attributes VALUES (4, 1, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "cross_entropy", "beta": 1.0, "encoder_lr": 5e-05, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (5, 1, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.2, "val_macro_f1": 0.10378411910669974, "val_weighted_f1": 0.10378411910669975, "val_loss": 2.078277437098272, "train_loss": 2.0853018760681152, "train_cross_entropy": 2.0853018760681152, "gradient_norm": 1.168513536453247, "train_seconds": 1.0414783270000498, "eval_seconds": 0.15301315499993962, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763843.278996}');
INSERT INTO public.trial_user_attributes VALUES (7, 1, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.2, "val_macro_f1": 0.11346925133689839, "val_weighted_f1": 0.1134692513368984, "val_loss": 2.0770278393606967, "train_loss": 2.05190372467041, "train_cross_entropy": 2.05190372467041, "gradient_norm": 1.201894760131836, "train_seconds": 0.4298630480000156, "eval_seconds": 0.1460561339999913, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763843.890348}');
INSERT INTO public.trial_user_attributes VALUES (33, 3, 'started', '1795763847.6273994');
INSERT INTO public.trial_user_attributes VALUES (9, 1, 'report/0003', '{"draw": 1, "replicate": 1, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.125, "val_macro_f1": 0.07738095238095238, "val_weighted_f1": 0.07738095238095237, "val_loss": 2.077804834524566, "train_loss": 2.092270851135254, "train_cross_entropy": 2.092270851135254, "gradient_norm": 1.1321276426315308, "train_seconds": 0.3440542789999199, "eval_seconds": 0.14542366000000584, "tokens": 215.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763844.4244854}');
INSERT INTO public.trial_user_attributes VALUES (34, 3, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (11, 1, 'report/0004', '{"draw": 1, "replicate": 1, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.08994708994708994, "val_weighted_f1": 0.08994708994708994, "val_loss": 2.077044235669426, "train_loss": 2.0606954097747803, "train_cross_entropy": 2.0606954097747803, "gradient_norm": 1.129119873046875, "train_seconds": 0.28728700700003174, "eval_seconds": 0.1493299589999424, "tokens": 430.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763844.8788674}');
INSERT INTO public.trial_user_attributes VALUES (6, 1, 'replicate_scores', '[0.2, 0.15]');
INSERT INTO public.trial_user_attributes VALUES (13, 1, 'outcome', '"completed"');
INSERT INTO public.trial_user_attributes VALUES (14, 1, 'reason', '""');
INSERT INTO public.trial_user_attributes VALUES (15, 1, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (16, 1, 'ended', '1795763844.8859153');
INSERT INTO public.trial_user_attributes VALUES (17, 2, 'started', '1795763844.9009085');
INSERT INTO public.trial_user_attributes VALUES (18, 2, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (19, 2, 'params', '{"beta": 0.5, "proxy_lr": 0.01, "encoder_lr": 5e-05, "loss.centers_per_class": 10, "loss.la": 20.0, "loss.gamma": 0.1, "loss.margin": 0.01}');
INSERT INTO public.trial_user_attributes VALUES (20, 2, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "soft_triple", "loss.centers_per_class": 10, "loss.la": 20.0, "loss.gamma": 0.1, "loss.margin": 0.01, "beta": 0.5, "encoder_lr": 5e-05, "head_lr": 0.001, "proxy_lr": 0.01, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (21, 2, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.2, "val_macro_f1": 0.10378411910669974, "val_weighted_f1": 0.10378411910669975, "val_loss": 2.07898353983479, "train_loss": 2.2485742568969727, "train_cross_entropy": 2.0841424465179443, "train_metric_loss": 2.413005828857422, "gradient_norm": 5.080620765686035, "train_seconds": 0.46252678100006506, "eval_seconds": 0.14798555299989857, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763846.0959785}');
INSERT INTO public.trial_user_attributes VALUES (23, 2, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.05878378378378379, "val_weighted_f1": 0.05878378378378378, "val_loss": 2.0781298363001044, "train_loss": 1.356252670288086, "train_cross_entropy": 2.0656752586364746, "train_metric_loss": 0.6468303203582764, "gradient_norm": 3.2966227531433105, "train_seconds": 0.29275356499999816, "eval_seconds": 0.14917249400002675, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763846.5576625}');
INSERT INTO public.trial_user_attributes VALUES (35, 3, 'params', '{"beta": 0.5, "encoder_lr": 5e-05, "loss.temperature": 0.1}');
INSERT INTO public.trial_user_attributes VALUES (25, 2, 'report/0003', '{"draw": 1, "replicate": 1, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.1, "val_macro_f1": 0.06832298136645962, "val_weighted_f1": 0.06832298136645962, "val_loss": 2.078182339778813, "train_loss": 2.3601222038269043, "train_cross_entropy": 2.0908899307250977, "train_metric_loss": 2.629354476928711, "gradient_norm": 5.276309490203857, "train_seconds": 0.33904109800005244, "eval_seconds": 0.15395604200000435, "tokens": 215.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763847.0931964}');
INSERT INTO public.trial_user_attributes VALUES (36, 3, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "supcon", "loss.temperature": 0.1, "beta": 0.5, "encoder_lr": 5e-05, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (27, 2, 'report/0004', '{"draw": 1, "replicate": 1, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.0909881193856853, "val_weighted_f1": 0.09098811938568532, "val_loss": 2.077664386342672, "train_loss": 1.4513778686523438, "train_cross_entropy": 2.0719614028930664, "train_metric_loss": 0.830794095993042, "gradient_norm": 3.997206211090088, "train_seconds": 0.3314722030000894, "eval_seconds": 0.1537503659999402, "tokens": 430.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763847.5999248}');
INSERT INTO public.trial_user_attributes VALUES (22, 2, 'replicate_scores', '[0.15, 0.15]');
INSERT INTO public.trial_user_attributes VALUES (29, 2, 'outcome', '"completed"');
INSERT INTO public.trial_user_attributes VALUES (30, 2, 'reason', '""');
INSERT INTO public.trial_user_attributes VALUES (31, 2, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (32, 2, 'ended', '1795763847.611191');
INSERT INTO public.trial_user_attributes VALUES (111, 8, 'params', '{"beta": 0.11663165637121455, "proxy_lr": 0.0004987933719980458, "encoder_lr": 0.0001676779854761801, "loss.centers_per_class": 8, "loss.la": 4.529249557832614, "loss.gamma": 0.019469553818906773, "loss.margin": 0.2941548052893226}');
INSERT INTO public.trial_user_attributes VALUES (37, 3, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.175, "val_macro_f1": 0.07417582417582418, "val_weighted_f1": 0.07417582417582418, "val_loss": 2.079377222646365, "train_loss": 1.7704153060913086, "train_cross_entropy": 2.08746337890625, "train_metric_loss": 1.4533674716949463, "gradient_norm": 8.937211990356445, "train_seconds": 0.49195512999995117, "eval_seconds": 0.1530270460000338, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763848.3219981}');
INSERT INTO public.trial_user_attributes VALUES (39, 3, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.175, "val_macro_f1": 0.07417582417582418, "val_weighted_f1": 0.07417582417582418, "val_loss": 2.078647666318158, "train_loss": 1.3967881202697754, "train_cross_entropy": 2.0643575191497803, "train_metric_loss": 0.7292188405990601, "gradient_norm": 7.155732154846191, "train_seconds": 0.32787127000005967, "eval_seconds": 0.1544557380000242, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763848.8254495}');
INSERT INTO public.trial_user_attributes VALUES (69, 5, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.2, "val_macro_f1": 0.10364583333333333, "val_weighted_f1": 0.10364583333333333, "val_loss": 2.0769684372951125, "train_loss": 15.19491958618164, "train_cross_entropy": 2.0855050086975098, "train_metric_loss": 27.346969604492188, "gradient_norm": 20.064664840698242, "train_seconds": 0.28951140599997416, "eval_seconds": 0.1398715349999975, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763852.33409}');
INSERT INTO public.trial_user_attributes VALUES (41, 3, 'report/0003', '{"draw": 1, "replicate": 1, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.0784313725490196, "val_weighted_f1": 0.0784313725490196, "val_loss": 2.077484767150156, "train_loss": 2.0255260467529297, "train_cross_entropy": 2.093139410018921, "train_metric_loss": 1.957912564277649, "gradient_norm": 10.006699562072754, "train_seconds": 0.3334840149999536, "eval_seconds": 0.15708583300011014, "tokens": 215.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763849.3562741}');
INSERT INTO public.trial_user_attributes VALUES (43, 3, 'report/0004', '{"draw": 1, "replicate": 1, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.08333333333333333, "val_weighted_f1": 0.08333333333333333, "val_loss": 2.0769074501333344, "train_loss": 1.6663883924484253, "train_cross_entropy": 2.0695371627807617, "train_metric_loss": 1.2632396221160889, "gradient_norm": 8.679010391235352, "train_seconds": 0.32564212300007966, "eval_seconds": 0.15290916999992987, "tokens": 430.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763849.8565428}');
INSERT INTO public.trial_user_attributes VALUES (38, 3, 'replicate_scores', '[0.175, 0.15]');
INSERT INTO public.trial_user_attributes VALUES (45, 3, 'outcome', '"completed"');
INSERT INTO public.trial_user_attributes VALUES (46, 3, 'reason', '""');
INSERT INTO public.trial_user_attributes VALUES (47, 3, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (48, 3, 'ended', '1795763849.868826');
INSERT INTO public.trial_user_attributes VALUES (49, 4, 'started', '1795763849.8930063');
INSERT INTO public.trial_user_attributes VALUES (50, 4, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (51, 4, 'params', '{"encoder_lr": 0.0003120864054724972}');
INSERT INTO public.trial_user_attributes VALUES (52, 4, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "cross_entropy", "beta": 1.0, "encoder_lr": 0.0003120864054724972, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (53, 4, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.225, "val_macro_f1": 0.10454545454545455, "val_weighted_f1": 0.10454545454545454, "val_loss": 2.0704181163504516, "train_loss": 2.091521739959717, "train_cross_entropy": 2.091521739959717, "gradient_norm": 1.2103855609893799, "train_seconds": 0.32907862100000784, "eval_seconds": 0.15394765999997162, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763850.430089}');
INSERT INTO public.trial_user_attributes VALUES (55, 4, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.225, "val_macro_f1": 0.14444444444444443, "val_weighted_f1": 0.14444444444444443, "val_loss": 2.0626732635962233, "train_loss": 1.9571568965911865, "train_cross_entropy": 1.9571568965911865, "gradient_norm": 1.4098074436187744, "train_seconds": 0.31458541400002105, "eval_seconds": 0.1518048519999411, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763850.917379}');
INSERT INTO public.trial_user_attributes VALUES (70, 5, 'replicate_scores', '[0.2, 0.125]');
INSERT INTO public.trial_user_attributes VALUES (57, 4, 'report/0003', '{"draw": 1, "replicate": 1, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.125, "val_macro_f1": 0.03289473684210526, "val_weighted_f1": 0.03289473684210526, "val_loss": 2.0751345434844852, "train_loss": 2.10500431060791, "train_cross_entropy": 2.10500431060791, "gradient_norm": 1.1644890308380127, "train_seconds": 0.2860786950000147, "eval_seconds": 0.1404517709999027, "tokens": 215.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763851.379637}');
INSERT INTO public.trial_user_attributes VALUES (59, 4, 'report/0004', '{"draw": 1, "replicate": 1, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.07982456140350877, "val_weighted_f1": 0.07982456140350877, "val_loss": 2.070907668372792, "train_loss": 1.9929099082946777, "train_cross_entropy": 1.9929099082946777, "gradient_norm": 1.2616585493087769, "train_seconds": 0.27982671400002346, "eval_seconds": 0.1413164709999819, "tokens": 430.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763851.819026}');
INSERT INTO public.trial_user_attributes VALUES (54, 4, 'replicate_scores', '[0.225, 0.15]');
INSERT INTO public.trial_user_attributes VALUES (61, 4, 'outcome', '"completed"');
INSERT INTO public.trial_user_attributes VALUES (62, 4, 'reason', '""');
INSERT INTO public.trial_user_attributes VALUES (63, 4, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (64, 4, 'ended', '1795763851.8333163');
INSERT INTO public.trial_user_attributes VALUES (65, 5, 'started', '1795763851.8538594');
INSERT INTO public.trial_user_attributes VALUES (66, 5, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (67, 5, 'params', '{"beta": 0.48105091039242176, "proxy_lr": 0.04325502339805524, "encoder_lr": 0.0002163099778380894, "loss.centers_per_class": 21, "loss.la": 39.04083229303502, "loss.gamma": 0.06648814110827726, "loss.margin": 0.6232266349099986}');
INSERT INTO public.trial_user_attributes VALUES (68, 5, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "soft_triple", "loss.centers_per_class": 21, "loss.la": 39.04083229303502, "loss.gamma": 0.06648814110827726, "loss.margin": 0.6232266349099986, "beta": 0.48105091039242176, "encoder_lr": 0.0002163099778380894, "head_lr": 0.001, "proxy_lr": 0.04325502339805524, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (71, 5, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.2, "val_macro_f1": 0.1096813725490196, "val_weighted_f1": 0.10968137254901959, "val_loss": 2.075651618934486, "train_loss": 7.077609062194824, "train_cross_entropy": 2.0434083938598633, "train_metric_loss": 11.744169235229492, "gradient_norm": 28.989246368408203, "train_seconds": 0.27482472999997754, "eval_seconds": 0.14260390200001893, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763852.7730906}');
INSERT INTO public.trial_user_attributes VALUES (73, 5, 'report/0003', '{"draw": 1, "replicate": 1, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.125, "val_macro_f1": 0.07019704433497537, "val_weighted_f1": 0.07019704433497537, "val_loss": 2.0783199224614464, "train_loss": 15.84903621673584, "train_cross_entropy": 2.0942130088806152, "train_metric_loss": 28.599363327026367, "gradient_norm": 20.54864501953125, "train_seconds": 0.2867862509999668, "eval_seconds": 0.13954237400002967, "tokens": 215.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763853.2330034}');
INSERT INTO public.trial_user_attributes VALUES (75, 5, 'report/0004', '{"draw": 1, "replicate": 1, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.125, "val_macro_f1": 0.0744047619047619, "val_weighted_f1": 0.0744047619047619, "val_loss": 2.0767584600668636, "train_loss": 8.743423461914062, "train_cross_entropy": 2.056638717651367, "train_metric_loss": 14.94188117980957, "gradient_norm": 31.113887786865234, "train_seconds": 0.27382711199993537, "eval_seconds": 0.13848649800002022, "tokens": 430.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763853.6603913}');
INSERT INTO public.trial_user_attributes VALUES (77, 5, 'outcome', '"completed"');
INSERT INTO public.trial_user_attributes VALUES (78, 5, 'reason', '""');
INSERT INTO public.trial_user_attributes VALUES (79, 5, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (80, 5, 'ended', '1795763853.666315');
INSERT INTO public.trial_user_attributes VALUES (81, 6, 'started', '1795763853.6793404');
INSERT INTO public.trial_user_attributes VALUES (82, 6, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (83, 6, 'params', '{"beta": 0.09422978801249035, "encoder_lr": 6.52192638896765e-05, "loss.temperature": 0.11460256279491154}');
INSERT INTO public.trial_user_attributes VALUES (84, 6, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "supcon", "loss.temperature": 0.11460256279491154, "beta": 0.09422978801249035, "encoder_lr": 6.52192638896765e-05, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (85, 6, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.175, "val_macro_f1": 0.07247899159663865, "val_weighted_f1": 0.07247899159663865, "val_loss": 2.079211968679446, "train_loss": 1.5290188789367676, "train_cross_entropy": 2.0876312255859375, "train_metric_loss": 1.4709049463272095, "gradient_norm": 14.379720687866211, "train_seconds": 0.286370108999904, "eval_seconds": 0.14037721900001543, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763854.1526973}');
INSERT INTO public.trial_user_attributes VALUES (87, 6, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.175, "val_macro_f1": 0.07247899159663865, "val_weighted_f1": 0.07247899159663865, "val_loss": 2.0783766239519563, "train_loss": 0.7865195274353027, "train_cross_entropy": 2.0625147819519043, "train_metric_loss": 0.6537742614746094, "gradient_norm": 10.522052764892578, "train_seconds": 0.2719561699999531, "eval_seconds": 0.1395305160000362, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763854.5823412}');
INSERT INTO public.trial_user_attributes VALUES (103, 7, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.2, "val_macro_f1": 0.1344211344211344, "val_weighted_f1": 0.1344211344211344, "val_loss": 2.0589139580232527, "train_loss": 1.9421184062957764, "train_cross_entropy": 1.9421184062957764, "gradient_norm": 1.4572927951812744, "train_seconds": 0.269215800999973, "eval_seconds": 0.1392756149999741, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763856.3611972}');
INSERT INTO public.trial_user_attributes VALUES (89, 6, 'report/0003', '{"draw": 1, "replicate": 1, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.0784313725490196, "val_weighted_f1": 0.0784313725490196, "val_loss": 2.0772905997479207, "train_loss": 1.9470329284667969, "train_cross_entropy": 2.0932857990264893, "train_metric_loss": 1.9318177700042725, "gradient_norm": 15.678520202636719, "train_seconds": 0.27987852100000055, "eval_seconds": 0.13813389200004167, "tokens": 215.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763855.0323436}');
INSERT INTO public.trial_user_attributes VALUES (102, 7, 'replicate_scores', '[0.2]');
INSERT INTO public.trial_user_attributes VALUES (91, 6, 'report/0004', '{"draw": 1, "replicate": 1, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.15, "val_macro_f1": 0.08333333333333333, "val_weighted_f1": 0.08333333333333333, "val_loss": 2.076598287893676, "train_loss": 1.2211583852767944, "train_cross_entropy": 2.0677623748779297, "train_metric_loss": 1.1330838203430176, "gradient_norm": 12.841902732849121, "train_seconds": 0.2739572360000011, "eval_seconds": 0.14169895200006977, "tokens": 430.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763855.4629033}');
INSERT INTO public.trial_user_attributes VALUES (86, 6, 'replicate_scores', '[0.175, 0.15]');
INSERT INTO public.trial_user_attributes VALUES (93, 6, 'outcome', '"completed"');
INSERT INTO public.trial_user_attributes VALUES (94, 6, 'reason', '""');
INSERT INTO public.trial_user_attributes VALUES (95, 6, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (96, 6, 'ended', '1795763855.4705784');
INSERT INTO public.trial_user_attributes VALUES (97, 7, 'started', '1795763855.4853337');
INSERT INTO public.trial_user_attributes VALUES (98, 7, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (99, 7, 'params', '{"encoder_lr": 0.0003732012139310784}');
INSERT INTO public.trial_user_attributes VALUES (100, 7, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "cross_entropy", "beta": 1.0, "encoder_lr": 0.0003732012139310784, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (101, 7, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.225, "val_macro_f1": 0.1093073593073593, "val_weighted_f1": 0.10930735930735928, "val_loss": 2.068611417823494, "train_loss": 2.0930724143981934, "train_cross_entropy": 2.0930724143981934, "gradient_norm": 1.22162926197052, "train_seconds": 0.2762164160000111, "eval_seconds": 0.13834347499994237, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763855.935154}');
INSERT INTO public.trial_user_attributes VALUES (105, 7, 'outcome', '"pruned"');
INSERT INTO public.trial_user_attributes VALUES (106, 7, 'reason', '"not among the best of its cell at report 2"');
INSERT INTO public.trial_user_attributes VALUES (107, 7, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (108, 7, 'ended', '1795763856.372048');
INSERT INTO public.trial_user_attributes VALUES (109, 8, 'started', '1795763856.3853579');
INSERT INTO public.trial_user_attributes VALUES (110, 8, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (112, 8, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "soft_triple", "loss.centers_per_class": 8, "loss.la": 4.529249557832614, "loss.gamma": 0.019469553818906773, "loss.margin": 0.2941548052893226, "beta": 0.11663165637121455, "encoder_lr": 0.0001676779854761801, "head_lr": 0.001, "proxy_lr": 0.0004987933719980458, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (113, 8, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.2, "val_macro_f1": 0.10732323232323232, "val_weighted_f1": 0.1073232323232323, "val_loss": 2.0778746406402666, "train_loss": 3.171968460083008, "train_cross_entropy": 2.0835633277893066, "train_metric_loss": 3.31567120552063, "gradient_norm": 4.610748291015625, "train_seconds": 0.4287584589999369, "eval_seconds": 0.14043948200003342, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763856.9973698}');
INSERT INTO public.trial_user_attributes VALUES (115, 8, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.175, "val_macro_f1": 0.08787878787878789, "val_weighted_f1": 0.08787878787878788, "val_loss": 2.07644447196442, "train_loss": 2.5549116134643555, "train_cross_entropy": 2.0495500564575195, "train_metric_loss": 2.6216347217559814, "gradient_norm": 4.056103706359863, "train_seconds": 0.2762644319999481, "eval_seconds": 0.13997848500002874, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763857.4318333}');
INSERT INTO public.trial_user_attributes VALUES (114, 8, 'replicate_scores', '[0.175]');
INSERT INTO public.trial_user_attributes VALUES (117, 8, 'outcome', '"pruned"');
INSERT INTO public.trial_user_attributes VALUES (118, 8, 'reason', '"not among the best of its cell at report 2"');
INSERT INTO public.trial_user_attributes VALUES (119, 8, 'detail', '""');
INSERT INTO public.trial_user_attributes VALUES (120, 8, 'ended', '1795763857.4443326');
INSERT INTO public.trial_user_attributes VALUES (121, 9, 'started', '1795763857.4578338');
INSERT INTO public.trial_user_attributes VALUES (122, 9, 'attempts', '1');
INSERT INTO public.trial_user_attributes VALUES (123, 9, 'params', '{"beta": 0.7835310385598723, "encoder_lr": 6.518231798514685e-05, "loss.temperature": 0.04830978199048819}');
INSERT INTO public.trial_user_attributes VALUES (124, 9, 'config', '{"dataset": "support", "shots": 2, "sampling": "per_class", "validation": 40, "seed": 0, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 16, "loss": "supcon", "loss.temperature": 0.04830978199048819, "beta": 0.7835310385598723, "encoder_lr": 6.518231798514685e-05, "head_lr": 0.001, "weight_decay": 0.01, "schedule": "linear", "warmup": 0.1, "clip": 1.0, "steps": 4, "batch_size": 8, "precision": "auto", "compatibility": "none", "replicates": 2, "evaluations": 2, "metric": "accuracy"}');
INSERT INTO public.trial_user_attributes VALUES (125, 9, 'report/0001', '{"draw": 0, "replicate": 0, "evaluation": 1, "step": 2, "initialisation": 0, "metrics": {"val_accuracy": 0.175, "val_macro_f1": 0.0763888888888889, "val_weighted_f1": 0.07638888888888888, "val_loss": 2.079208384672325, "train_loss": 1.9928066730499268, "train_cross_entropy": 2.0881195068359375, "train_metric_loss": 1.647812008857727, "gradient_norm": 7.884573936462402, "train_seconds": 0.2971848070000078, "eval_seconds": 0.13937322100002802, "tokens": 230.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763857.9365082}');
INSERT INTO public.trial_user_attributes VALUES (127, 9, 'report/0002', '{"draw": 0, "replicate": 0, "evaluation": 2, "step": 4, "initialisation": 0, "metrics": {"val_accuracy": 0.175, "val_macro_f1": 0.07417582417582418, "val_weighted_f1": 0.07417582417582418, "val_loss": 2.0784786718506196, "train_loss": 1.676819086074829, "train_cross_entropy": 2.063197374343872, "train_metric_loss": 0.2782849669456482, "gradient_norm": 3.834941864013672, "train_seconds": 0.27938979199996083, "eval_seconds": 0.1382493539999814, "tokens": 460.0}, "confusion": [], "trained_on": "cpu (fp32)", "outcome": null, "reason": "", "detail": "", "time": 1795763858.371949}');
INSERT INTO public.trial_user_attributes VALUES (126, 9, 'replicate_scores', '[0.175]');
INSERT INTO public.trial_values VALUES (1, 1, 0, 0.175, 'FINITE');
INSERT INTO public.trial_values VALUES (2, 2, 0, 0.15, 'FINITE');
INSERT INTO public.trial_values VALUES (3, 3, 0, 0.16249999999999998, 'FINITE');
INSERT INTO public.trial_values VALUES (4, 4, 0, 0.1875, 'FINITE');
INSERT INTO public.trial_values VALUES (5, 5, 0, 0.1625, 'FINITE');
INSERT INTO public.trial_values VALUES (6, 6, 0, 0.16249999999999998, 'FINITE');
INSERT INTO public.trials VALUES (1, 0, 2, 'COMPLETE', '2026-11-27 07:17:17.515797', '2026-11-27 07:17:24.892798');
INSERT INTO public.trials VALUES (2, 0, 3, 'COMPLETE', '2026-11-27 07:17:24.900573', '2026-11-27 07:17:27.617963');
INSERT INTO public.trials VALUES (3, 0, 4, 'COMPLETE', '2026-11-27 07:17:27.627131', '2026-11-27 07:17:29.87906');
INSERT INTO public.trials VALUES (4, 1, 2, 'COMPLETE', '2026-11-27 07:17:29.892148', '2026-11-27 07:17:31.841409');
INSERT INTO public.trials VALUES (5, 1, 3, 'COMPLETE', '2026-11-27 07:17:31.852733', '2026-11-27 07:17:33.671514');
INSERT INTO public.trials VALUES (6, 1, 4, 'COMPLETE', '2026-11-27 07:17:33.678883', '2026-11-27 07:17:35.476672');
INSERT INTO public.trials VALUES (7, 2, 2, 'PRUNED', '2026-11-27 07:17:35.484877', '2026-11-27 07:17:36.377193');
INSERT INTO public.trials VALUES (8, 2, 3, 'PRUNED', '2026-11-27 07:17:36.384658', '2026-11-27 07:17:37.449991');
INSERT INTO public.trials VALUES (9, 2, 4, 'RUNNING', '2026-11-27 07:17:37.457368', NULL);
INSERT INTO public.version_info VALUES (1, 12, '5.0.0');
SELECT pg_catalog.setval('public.studies_study_id_seq', 4, true);
SELECT pg_catalog.setval('public.study_directions_study_direction_id_seq', 4, true);
SELECT pg_catalog.setval('public.study_system_attributes_study_system_attribute_id_seq', 1, false);
SELECT pg_catalog.setval('public.study_user_attributes_study_user_attribute_id_seq', 19, true);
SELECT pg_catalog.setval('public.trial_heartbeats_trial_heartbeat_id_seq', 1, false);
SELECT pg_catalog.setval('public.trial_intermediate_values_trial_intermediate_value_id_seq', 30, true);
SELECT pg_catalog.setval('public.trial_params_param_id_seq', 33, true);
SELECT pg_catalog.setval('public.trial_system_attributes_trial_system_attribute_id_seq', 3, true);
SELECT pg_catalog.setval('public.trial_user_attributes_trial_user_attribute_id_seq', 128, true);
SELECT pg_catalog.setval('public.trial_values_trial_value_id_seq', 6, true);
SELECT pg_catalog.setval('public.trials_trial_id_seq', 9, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.studies
    ADD CONSTRAINT studies_pkey PRIMARY KEY (study_id);
ALTER TABLE ONLY public.study_directions
    ADD CONSTRAINT study_directions_pkey PRIMARY KEY (study_direction_id);
ALTER TABLE ONLY public.study_directions
    ADD CONSTRAINT study_directions_study_id_objective_key UNIQUE (study_id, objective);
ALTER TABLE ONLY public.study_system_attributes
    ADD CONSTRAINT study_system_attributes_pkey PRIMARY KEY (study_system_attribute_id);
ALTER TABLE ONLY public.study_system_attributes
    ADD CONSTRAINT study_system_attributes_study_id_key_key UNIQUE (study_id, key);
ALTER TABLE ONLY public.study_user_attributes
    ADD CONSTRAINT study_user_attributes_pkey PRIMARY KEY (study_user_attribute_id);
ALTER TABLE ONLY public.study_user_attributes
    ADD CONSTRAINT study_user_attributes_study_id_key_key UNIQUE (study_id, key);
ALTER TABLE ONLY public.trial_heartbeats
    ADD CONSTRAINT trial_heartbeats_pkey PRIMARY KEY (trial_heartbeat_id);
ALTER TABLE ONLY public.trial_heartbeats
    ADD CONSTRAINT trial_heartbeats_trial_id_key UNIQUE (trial_id);
ALTER TABLE ONLY public.trial_intermediate_values
    ADD CONSTRAINT trial_intermediate_values_pkey PRIMARY KEY (trial_intermediate_value_id);
ALTER TABLE ONLY public.trial_intermediate_values
    ADD CONSTRAINT trial_intermediate_values_trial_id_step_key UNIQUE (trial_id, step);
ALTER TABLE ONLY public.trial_params
    ADD CONSTRAINT trial_params_pkey PRIMARY KEY (param_id);
ALTER TABLE ONLY public.trial_params
    ADD CONSTRAINT trial_params_trial_id_param_name_key UNIQUE (trial_id, param_name);
ALTER TABLE ONLY public.trial_system_attributes
    ADD CONSTRAINT trial_system_attributes_pkey PRIMARY KEY (trial_system_attribute_id);
ALTER TABLE ONLY public.trial_system_attributes
    ADD CONSTRAINT trial_system_attributes_trial_id_key_key UNIQUE (trial_id, key);
ALTER TABLE ONLY public.trial_user_attributes
    ADD CONSTRAINT trial_user_attributes_pkey PRIMARY KEY (trial_user_attribute_id);
ALTER TABLE ONLY public.trial_user_attributes
    ADD CONSTRAINT trial_user_attributes_trial_id_key_key UNIQUE (trial_id, key);
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT trial_values_pkey PRIMARY KEY (trial_value_id);
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT trial_values_trial_id_objective_key UNIQUE (trial_id, objective);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_pkey PRIMARY KEY (trial_id);
ALTER TABLE ONLY public.version_info
    ADD CONSTRAINT version_info_pkey PRIMARY KEY (version_info_id);
CREATE UNIQUE INDEX ix_studies_study_name ON public.studies USING btree (study_name);
CREATE INDEX ix_trials_study_id ON public.trials USING btree (study_id);
ALTER TABLE ONLY public.study_directions
    ADD CONSTRAINT study_directions_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
ALTER TABLE ONLY public.study_system_attributes
    ADD CONSTRAINT study_system_attributes_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
ALTER TABLE ONLY public.study_user_attributes
    ADD CONSTRAINT study_user_attributes_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
ALTER TABLE ONLY public.trial_heartbeats
    ADD CONSTRAINT trial_heartbeats_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_intermediate_values
    ADD CONSTRAINT trial_intermediate_values_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_params
    ADD CONSTRAINT trial_params_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_system_attributes
    ADD CONSTRAINT trial_system_attributes_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_user_attributes
    ADD CONSTRAINT trial_user_attributes_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trial_values
    ADD CONSTRAINT trial_values_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trials(trial_id);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_study_id_fkey FOREIGN KEY (study_id) REFERENCES public.studies(study_id);
