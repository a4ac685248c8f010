variable "bucket" {
  description = "Name of the bucket, which is made."
  type        = string
}

variable "prefix" {
  description = "Where in the bucket the volume is: empty, or with a slash at its end."
  type        = string
  default     = ""

  validation {
    condition     = var.prefix == "" || can(regex("^[^/*?$][^*?$]*/$", var.prefix))
    error_message = "Give a prefix with a slash at its end and none at its begin, without *, ? and $."
  }
}

variable "outputs" {
  description = "Where jobs put what they make: buckets that are there already, as BUCKET/ or BUCKET/PREFIX/."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for o in var.outputs : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^*?$]*/)?$", o))])
    error_message = "Give each as BUCKET/ or BUCKET/PREFIX/, without s3://, *, ? and $."
  }
}

variable "name" {
  description = "Begins the names of user and role, and is the alias of the key."
  type        = string
  default     = "mcfs"
}

variable "queue" {
  description = "Name of MediaConvert's queue in which jobs wait."
  type        = string
  default     = "Default"
}

variable "submits" {
  description = "Whether the user that mounts makes jobs, too."
  type        = bool
  default     = true
}

variable "versioning" {
  description = "Whether the bucket keeps what was overwritten or removed, and for how many days; 0: it does not."
  type        = number
  default     = 0
}
