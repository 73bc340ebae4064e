/** Where a container finds the files of the stack. */
export const CONFIGURATION_FOLDER = "/etc/litellm";
export const CERTIFICATE_AUTHORITY_FILE = "database-ca.pem";
