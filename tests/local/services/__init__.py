"""What ministack lacks, an AWS service a module; each one's `install` puts it in ministack's place."""
