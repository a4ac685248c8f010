# These say what `mcfs policy` says of the same facts: a test compares them.

data "aws_iam_policy_document" "mount" {
  statement {
    sid    = "DataKeys"
    effect = "Allow"
    actions = [
      "kms:GenerateDataKey",
      "kms:Decrypt",
    ]
    resources = [aws_kms_key.data_keys.arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "kms:EncryptionContextKeys"
      values   = ["service"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:service"
      values   = [local.mediaconvert]
    }
  }

  statement {
    sid    = "Objects"
    effect = "Allow"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
      "s3:AbortMultipartUpload",
      "s3:ListMultipartUploadParts",
    ]
    resources = [local.objects]
  }

  statement {
    sid    = "Listing"
    effect = "Allow"
    actions = [
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
    ]
    resources = [aws_s3_bucket.volume.arn]

    dynamic "condition" {
      for_each = var.prefix == "" ? [] : [var.prefix]

      content {
        test     = "StringLikeIfExists"
        variable = "s3:prefix"
        values   = ["${condition.value}*"]
      }
    }
  }
}

data "aws_iam_policy_document" "role" {
  statement {
    sid       = "UnwrapDataKeys"
    effect    = "Allow"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.data_keys.arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "kms:EncryptionContextKeys"
      values   = ["service"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:service"
      values   = [local.mediaconvert]
    }
  }

  statement {
    sid       = "ReadInputs"
    effect    = "Allow"
    actions   = ["s3:GetObject"]
    resources = [local.objects]
  }

  dynamic "statement" {
    for_each = length(var.outputs) > 0 ? [var.outputs] : []

    content {
      sid       = "WriteOutputs"
      effect    = "Allow"
      actions   = ["s3:PutObject"]
      resources = [for o in statement.value : "arn:${local.partition}:s3:::${o}*"]
    }
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "JobsOfThisQueue"
    effect  = "Allow"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = [local.mediaconvert]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:mediaconvert:${local.region}:${local.account}:queues/${var.queue}"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "submitter" {
  statement {
    sid    = "Jobs"
    effect = "Allow"
    actions = [
      "mediaconvert:CreateJob",
      "mediaconvert:TagResource",
      "mediaconvert:GetJob",
      "mediaconvert:CancelJob",
    ]
    resources = ["arn:${local.partition}:mediaconvert:${local.region}:${local.account}:*"]
  }

  statement {
    sid    = "FindJobs"
    effect = "Allow"
    actions = [
      "mediaconvert:ListJobs",
      "mediaconvert:SearchJobs",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "HandOverTheRole"
    effect    = "Allow"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.mediaconvert.arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = [local.mediaconvert]
    }
  }
}

# The key's own policy: the account's IAM decides, and user and role are named, too.
data "aws_iam_policy_document" "key" {
  statement {
    sid       = "IAMDecides"
    effect    = "Allow"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  statement {
    sid       = "UnwrapDataKeys"
    effect    = "Allow"
    actions   = ["kms:Decrypt"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_role.mediaconvert.arn]
    }

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "kms:EncryptionContextKeys"
      values   = ["service"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:service"
      values   = [local.mediaconvert]
    }
  }

  statement {
    sid    = "DataKeys"
    effect = "Allow"
    actions = [
      "kms:GenerateDataKey",
      "kms:Decrypt",
    ]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.ingest.arn]
    }

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "kms:EncryptionContextKeys"
      values   = ["service"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:service"
      values   = [local.mediaconvert]
    }
  }
}
