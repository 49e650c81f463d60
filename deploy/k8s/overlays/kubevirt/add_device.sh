#!/bin/sh
# onDefineDomain for KubeVirt's sidecar-shim: called with --vmi JSON --domain XML, prints the domain with the device that
# overlays/qemu has. QEMU's guest memory becomes one that can be shared with a back-end.
set -eu
case $4 in
  *'<memoryBacking>'*) memory= ;;
  *) memory='<memoryBacking><source type="memfd"/><access mode="shared"/></memoryBacking>' ;;
esac
chardev='<qemu:arg value="-chardev"/><qemu:arg value="socket,id=media0,path=/run/vhost-user/media0.sock"/>'
device='<qemu:arg value="-device"/><qemu:arg value="vhost-user-test-device-pci,chardev=media0,virtio-id=26,num_vqs=2"/>'
case $4 in
  *'</qemu:commandline>'*) end='</qemu:commandline>' begin= ;;
  *) end='</domain>' begin='<qemu:commandline>' ;;
esac
close=${begin:+</qemu:commandline></domain>}
printf '%s\n' "$4" | sed -e "s|$end|$begin$chardev$device${close:-$end}|" -e "s|<devices>|$memory<devices>|" \
  -e '/xmlns:qemu=/!s|<domain |<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0" |'
