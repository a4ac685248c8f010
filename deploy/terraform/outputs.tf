output "configuration" {
  description = "The configuration of who mounts: ~/.config/mcfs/config.toml. It has no secret."
  value       = <<-EOT
    [store]
    bucket = "${aws_s3_bucket.volume.bucket}"
    prefix = "${var.prefix}"
    region = "${local.region}"

    [keys]
    key_id = "${aws_kms_key.data_keys.arn}"

    [job]
    role = "${aws_iam_role.mediaconvert.arn}"
    queue = "${var.queue}"
    region = "${local.region}"
  EOT
}

output "user" {
  description = "Whose access keys `aws iam create-access-key --user-name` makes."
  value       = aws_iam_user.ingest.name
}

output "role" {
  description = "What jobs take on: `mcfs job --role`."
  value       = aws_iam_role.mediaconvert.arn
}

output "key" {
  description = "The key that wraps the data keys."
  value       = aws_kms_key.data_keys.arn
}
