/**
 * Annotation of a certificate request: the address that the requester's connection came from. The API server sets it and lets nobody else;
 * the approver believes it when a kubelet asks for an address in its serving certificate.
 */
export const sourceAddressAnnotation = 'fairlead.dev/source-address';
