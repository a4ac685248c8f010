data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = aws_s3_bucket.volume.region

  mediaconvert = "mediaconvert.amazonaws.com"
  objects      = "${aws_s3_bucket.volume.arn}/${var.prefix}*"
}

# The key that wraps the data keys. Who destroys it loses all files.
resource "aws_kms_key" "data_keys" {
  description             = "mcfs: data keys of files for MediaConvert"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "data_keys" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.data_keys.key_id
}

resource "aws_s3_bucket" "volume" {
  bucket = var.bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "volume" {
  bucket                  = aws_s3_bucket.volume.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No ACL counts, and what another account puts is the bucket's.
resource "aws_s3_bucket_ownership_controls" "volume" {
  bucket = aws_s3_bucket.volume.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "volume" {
  count  = var.versioning > 0 ? 1 : 0
  bucket = aws_s3_bucket.volume.id

  versioning_configuration {
    status = "Enabled"
  }
}

# mcfs ends its own unfinished uploads when it mounts again: the rule is for machines that never do.
resource "aws_s3_bucket_lifecycle_configuration" "volume" {
  bucket = aws_s3_bucket.volume.id

  rule {
    id     = "forget uploads that were never finished"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = var.versioning > 0 ? [var.versioning] : []

    content {
      id     = "forget what was overwritten or removed"
      status = "Enabled"

      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.volume]
}

# Whoever mounts. Its access keys are made by `aws iam create-access-key`, so that no state has them.
resource "aws_iam_user" "ingest" {
  name = "${var.name}-ingest"
}

resource "aws_iam_user_policy" "mount" {
  name   = "mcfs-mount"
  user   = aws_iam_user.ingest.name
  policy = data.aws_iam_policy_document.mount.json
}

resource "aws_iam_user_policy" "submitter" {
  count  = var.submits ? 1 : 0
  name   = "mcfs-submitter"
  user   = aws_iam_user.ingest.name
  policy = data.aws_iam_policy_document.submitter.json
}

# The role that jobs take on.
resource "aws_iam_role" "mediaconvert" {
  name               = "${var.name}-mediaconvert"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "mediaconvert" {
  name   = "mcfs-role"
  role   = aws_iam_role.mediaconvert.name
  policy = data.aws_iam_policy_document.role.json
}
